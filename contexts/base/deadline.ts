import type { Clock } from './clock.ts';

/**
 * What `work` gives, if it does within `ms`.
 * @throws what `late` makes otherwise; what `work` does afterwards is nobody's business any more.
 */
export function withDeadline<T>(
  clock: Clock,
  ms: number,
  work: () => Promise<T>,
  late: () => Error,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = clock.timer(ms, () => reject(late()));
    const done = () => timer.cancel();
    work().then(resolve, reject).then(done, done);
  });
}
