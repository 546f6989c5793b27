import type { Clock } from '../contexts/base/clock.ts';
import { withDeadline } from '../contexts/base/deadline.ts';
import { StoreError } from '../contexts/store.ts';

/**
 * What `work` gives, if it does within `ms`.
 * @throws StoreError `STORE_UNAVAILABLE` otherwise; what `work` does afterwards is nobody's business any more.
 */
export function within<T>(clock: Clock, ms: number, what: string, work: () => Promise<T>): Promise<T> {
  return withDeadline(
    clock,
    ms,
    work,
    () => new StoreError('STORE_UNAVAILABLE', `${what}: no answer within ${ms} ms`),
  );
}
