import type { Clock } from '../../contexts/base/clock.ts';
import { ProblemError } from './problems.ts';

/**
 * The result of `work`, or a 503 after `ms`. The work is not stopped, but bounded by timeouts of its own (a
 * statement's, a store's); the client is not kept waiting for them.
 */
export async function withDeadline<Result>(clock: Clock, ms: number, work: Promise<Result>): Promise<Result> {
  const late = Promise.withResolvers<never>();
  const timer = clock.timer(ms, () =>
    late.reject(
      new ProblemError('DATABASE_UNAVAILABLE', {
        detail: `No answer within ${ms} ms. Whether a change was made is unknown.`,
        headers: { 'retry-after': '1' },
      }),
    ),
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    timer.cancel();
  }
}
