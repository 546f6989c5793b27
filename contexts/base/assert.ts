/**
 * A programmer's error: something the code promised itself does not hold.
 *
 * It fails the request or the job that met it, never the process; the HTTP layers turn it into a 500 problem
 * and the workers into a failed job.
 */
export class AssertionError extends Error {
  override name = 'AssertionError';
}

/** Throws {@link AssertionError} with `message` unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Closes a switch over a union: a member without a case does not compile, and throws if it comes all the same. */
export function unreachable(value: never, what = 'value'): never {
  throw new AssertionError(`unexpected ${what}: ${JSON.stringify(value)}`);
}
