import { z } from '@hono/zod-openapi';

/** Milliseconds that a request may be made to wait for regions, at the most. */
export const waitMsMax = 60_000;
/** What `?wait=regions` waits for where nothing else is said. */
const waitMsDefault = 10_000;

export const timeoutMs = z
  .string()
  .regex(/^\d{1,6}$/, 'must be a whole number')
  .transform(Number)
  .pipe(z.int().min(0).max(waitMsMax, `must be at most ${waitMsMax}`))
  .optional();

/** What every mutation takes beside its own parameters. */
export const waitQuery = {
  wait: z.enum(['regions'], 'must be regions').optional().openapi({
    description:
      'Answer only when every region concerned has stored the change and every live gateway has seen it, or at the timeout; `spokecast-propagation` says which. The change is made either way.',
  }),
  timeoutMs: timeoutMs.openapi({
    type: 'integer',
    minimum: 0,
    maximum: waitMsMax,
    default: waitMsDefault,
    description: 'Milliseconds to wait at the most, with `wait`.',
  }),
};

const schema = z.strictObject(waitQuery);

/** Splits what says how long to wait from a mutation's own parameters. */
export function splitWait(given: Record<string, unknown>) {
  const { wait, timeoutMs, ...rest } = given;
  return {
    wait: { ...(wait === undefined ? {} : { wait }), ...(timeoutMs === undefined ? {} : { timeoutMs }) },
    rest,
  };
}

export const waitSchema = schema;

/** Milliseconds the caller wants to wait; undefined where it does not. */
export function wantedWaitMs(parsed: z.output<typeof schema>): number | undefined {
  return parsed.wait === undefined ? undefined : (parsed.timeoutMs ?? waitMsDefault);
}
