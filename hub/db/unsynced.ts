import { sql } from 'drizzle-orm';

/**
 * In a statement, has its transaction commit without waiting for the disk. For what may be lost in a crash of Postgres,
 * as it is then done again, or wanted by nobody any more.
 */
export const unsynced = sql`set_config('synchronous_commit', 'off', true)`;
