import { ConfigurationError } from '../../contexts/base/options.ts';
import type { Database } from './client.ts';

/** What a pooler between us and Postgres leaves of a connection, against what the address says of it. */
export type SessionFinding =
  | { state: 'own-connections' }
  /** `bounded`: statements outside of transactions end some time, because the server says so. */
  | { state: 'pooled'; direct: 'none' | 'works'; bounded: boolean }
  /** `through`: the setting whose connection does not keep what it was told. */
  | { state: 'undeclared'; through: 'DATABASE_URL' | 'SPOKECAST_DATABASE_DIRECT_URL' };

export async function lookAtSession({ sql, direct, pooler }: Database): Promise<SessionFinding> {
  if (pooler === 'none')
    return (await keepsSettings(sql))
      ? { state: 'own-connections' }
      : { state: 'undeclared', through: 'DATABASE_URL' };
  if (direct && !(await keepsSettings(direct)))
    return { state: 'undeclared', through: 'SPOKECAST_DATABASE_DIRECT_URL' };
  const [row] = await sql<{ bounded: boolean }[]>`
    select current_setting('statement_timeout') <> '0' as bounded`;
  return { state: 'pooled', direct: direct ? 'works' : 'none', bounded: row!.bounded };
}

/** Every connection of ours is told this when it starts. PgBouncer refuses that, or swallows it. */
async function keepsSettings(sql: Database['sql']): Promise<boolean> {
  try {
    const [row] = await sql<{ kept: boolean }[]>`
      select current_setting('idle_in_transaction_session_timeout') <> '0'
        and current_setting('application_name') = ${sql.options.connection.application_name!} as kept`;
    return row!.kept;
  } catch (error) {
    if (error instanceof Error && /startup parameter/.test(error.message)) return false;
    throw error;
  }
}

/** @throws ConfigurationError where a pooler stands in between that nobody told of. */
export async function checkSession(database: Database): Promise<void> {
  const found = await lookAtSession(database);
  if (found.state !== 'undeclared') return;
  const what = `${found.through} leads through a pooler (PgBouncer?), which keeps no settings of a connection`;
  throw new ConfigurationError([
    found.through === 'DATABASE_URL'
      ? `${what}: set SPOKECAST_DATABASE_POOLER=transaction`
      : `${what}: it has to name Postgres itself`,
  ]);
}
