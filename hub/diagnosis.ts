import type { DatabaseAddress } from './db/address.ts';
import { connect, type Database } from './db/client.ts';
import { migrationState } from './db/migrate.ts';
import { lookAtSession, type SessionFinding } from './db/session.ts';

/** What was looked at in the hub's database, and what is wrong with it. For `spokecast doctor`. */
export interface DatabaseDiagnosis {
  /** Postgres's clock, when it was asked; undefined where it could not be. */
  atMs: number | undefined;
  hubId: string | null;
  findings: readonly DatabaseFinding[];
}

export type DatabaseFinding =
  /** What stands between us and Postgres. */
  | { what: 'pooler'; session: SessionFinding }
  | { what: 'migrations'; state: 'current' | 'newer' }
  | { what: 'migrations'; state: 'behind'; missing: readonly string[] }
  /** Triggers that capture changes and are switched off: what changes now is forgotten. */
  | { what: 'capture'; disabled: readonly string[] }
  /** Tables that this role may not write to. */
  | { what: 'permissions'; lacking: readonly string[] }
  /** How long the oldest change has waited that no publisher has taken; null where none waits. */
  | { what: 'outbox'; oldestMs: number | null };

/** @throws where the database does not answer, or not to this user: in the driver's words. */
export async function diagnoseDatabase(address: DatabaseAddress): Promise<DatabaseDiagnosis> {
  await using database = connect(address, {
    applicationName: 'spokecast doctor',
    max: 1,
    statementTimeoutMs: 10_000,
  });
  const { sql } = database;
  const session = await lookAtSession(database);
  const findings: DatabaseFinding[] = [{ what: 'pooler', session }];
  // There is no connection: it was refused for what it was told.
  if (session.state === 'undeclared' && session.through === 'DATABASE_URL')
    return { atMs: undefined, hubId: null, findings };
  const [clock] = await sql<{ at: string }[]>`select extract(epoch from clock_timestamp()) * 1000 as at`;
  const migrations = await migrationState(sql);
  findings.push({ what: 'migrations', ...migrations });
  const atMs = Number(clock!.at);
  if (migrations.state === 'behind') return { atMs, hubId: null, findings };
  findings.push(await captureOf(database), await permissionsOf(database), await outboxOf(database));
  const [state] = await sql<{ hub_id: string }[]>`select hub_id from hub_state`;
  return { atMs, hubId: state?.hub_id ?? null, findings };
}

async function captureOf({ sql }: Database): Promise<DatabaseFinding> {
  const rows = await sql<{ name: string }[]>`
    select c.relname || '.' || t.tgname as name from pg_trigger t join pg_class c on c.oid = t.tgrelid
    where not t.tgisinternal and t.tgenabled = 'D' and c.relnamespace = 'public'::regnamespace order by 1`;
  return { what: 'capture', disabled: rows.map(({ name }) => name) };
}

async function permissionsOf({ sql }: Database): Promise<DatabaseFinding> {
  const rows = await sql<{ name: string }[]>`
    select relname as name from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and exists (
      select from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) as privilege
      where not has_table_privilege(oid, privilege)) order by 1`;
  return { what: 'permissions', lacking: rows.map(({ name }) => name) };
}

async function outboxOf({ sql }: Database): Promise<DatabaseFinding> {
  const [row] = await sql<{ age: string }[]>`
    select extract(epoch from clock_timestamp() - created_at) * 1000 as age from outbox order by id limit 1`;
  return { what: 'outbox', oldestMs: row === undefined ? null : Number(row.age) };
}
