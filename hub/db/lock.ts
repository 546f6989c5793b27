import type postgres from 'postgres';

/**
 * Runs `work` while no other process holds the lock of that number, and holds it meanwhile. `taken`: another one does.
 *
 * It is held by a transaction of its own that waits, not by a session: behind a pooler a session's lock would stay
 * with a connection that goes to somebody else. Such a transaction has no snapshot, and keeps vacuum from nothing.
 * @throws what `work` throws; what the driver throws where that transaction is cut off.
 */
export async function whileLocked<Result>(
  sql: postgres.Sql,
  lock: { key: number; patience: 'wait' | 'give-up' },
  work: () => Promise<Result>,
): Promise<{ result: Result } | 'taken'> {
  const held = await sql.begin(async (tx) => {
    await tx`
      select set_config('idle_in_transaction_session_timeout', '0', true), set_config('statement_timeout', '0', true)`;
    if (lock.patience === 'wait') await tx`select pg_advisory_xact_lock(${lock.key})`;
    else {
      const [row] = await tx<{ free: boolean }[]>`select pg_try_advisory_xact_lock(${lock.key}) as free`;
      if (!row!.free) return 'taken';
    }
    return { result: await work() };
  });
  return held as { result: Result } | 'taken';
}
