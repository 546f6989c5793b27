import type postgres from 'postgres';
import { systemClock } from '../../../contexts/base/clock.ts';

const patienceMs = 3_600_000;

/** Asks again until the answer is as wanted. Gives up only after an hour: a bench waits for what it measures. */
export async function until<T>(ask: () => PromiseLike<T>, wanted: (answer: T) => boolean): Promise<T> {
  const startedAt = systemClock.monotonic();
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (systemClock.monotonic() - startedAt > patienceMs) throw new Error('nothing happens for an hour');
    await systemClock.sleep(20);
  }
}

export async function duration(work: () => Promise<unknown>): Promise<number> {
  const startedAt = systemClock.monotonic();
  await work();
  return systemClock.monotonic() - startedAt;
}

/** Nothing waits to be relayed, for half a second on end. */
export async function outboxIdle(sql: postgres.Sql): Promise<void> {
  await until(
    () => sql`select count(*)::int as rows from outbox`,
    ([row]) => row!.rows === 0,
  );
  await systemClock.sleep(500);
}

/** No sweep waits or runs, and at least `completed` have completed. */
export async function sweepsIdle(sql: postgres.Sql, completed = 1): Promise<void> {
  await until(
    () => sql`
      select count(*) filter (where status in ('requested', 'queued', 'running'))::int as busy,
        count(*) filter (where status = 'completed')::int as done from sweeps`,
    ([row]) => row!.busy === 0 && row!.done >= completed,
  );
}
