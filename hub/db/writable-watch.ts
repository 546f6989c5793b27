import type { Clock } from '../../contexts/base/clock.ts';
import { Loop } from '../../contexts/base/loop.ts';
import type { Database } from './client.ts';

/** What the log says when that was done. */
export const leftReadOnly =
  'Postgres takes no writes: it is a standby, or was fenced. Its connections were ended, to connect where the address leads now';

/** For how long a role may stay with a server that takes no writes. */
const lookEveryMs = 2_000;

/**
 * Leaves a server that takes no writes any more: a primary that was fenced by making it read-only keeps the
 * connections it has, and they would be used for minutes. What is connected anew goes where the address leads by then.
 */
export function watchWritable(
  { sql }: Database,
  clock: Clock,
  onLeft: (connections: number) => void,
): { readonly loop: Loop } {
  const loop = new Loop({
    name: 'writable',
    clock,
    everyMs: lookEveryMs,
    turn: async () => {
      const [row] = await sql<{ read_only: boolean }[]>`
        select current_setting('transaction_read_only') = 'on' as read_only`;
      if (row!.read_only) onLeft(await endOurConnections(sql));
    },
    onError: () => {}, // a database that does not answer is told of by whoever needs it, and by this loop's age
  });
  return { loop };
}

/**
 * Every connection of a hub or publisher that this server has: of other processes too, for it is of no use to them
 * either. Those of the job queues listen under the queues' names.
 */
async function endOurConnections(sql: Database['sql']): Promise<number> {
  const [row] = await sql<{ ended: number }[]>`
    select count(pg_terminate_backend(pid))::integer as ended from pg_stat_activity
    where current_setting('transaction_read_only') = 'on' and pid <> pg_backend_pid()
      and datname = current_database() and usename = current_user
      and application_name like any ('{spokecast %,refresh-%,sweep-%}')`;
  await sql`select pg_terminate_backend(pg_backend_pid())`.catch(() => {}); // its last words
  return row!.ended + 1;
}
