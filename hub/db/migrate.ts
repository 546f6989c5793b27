import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';
import type { DatabaseAddress } from './address.ts';
import type { Database } from './client.ts';
import { whileLocked } from './lock.ts';
import { unpipelined } from './unpipelined.ts';

const folder = fileURLToPath(new URL('./migrations', import.meta.url));
/** One migration at a time per database, whoever runs it. The number is arbitrary and ours. */
const migrationLock = 7_265_310_045;

export type MigrationState =
  | { state: 'current' }
  | { state: 'behind'; missing: readonly string[] }
  /** It has migrations this build does not know: an older build must not touch it. */
  | { state: 'newer' };

/** The database's schema is not the one this build works with. The message says what to do. */
export class SchemaError extends Error {
  override name = 'SchemaError';
  readonly exitCode = 78;
  readonly code: 'SCHEMA_BEHIND' | 'SCHEMA_NEWER';

  constructor(code: SchemaError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Brings the database to this build's schema. Returns the names of the migrations it applied, none when current.
 * @throws SchemaError `SCHEMA_NEWER`, having changed nothing.
 */
export async function migrate(where: string | DatabaseAddress): Promise<readonly string[]> {
  const opened = postgres(typeof where === 'string' ? where : where.url, {
    max: 2, // one holds the lock
    prepare: false,
    connect_timeout: 5,
    onnotice: () => {},
    connection: { application_name: 'spokecast migrate' },
  });
  const sql = unpipelined(opened); // through a pooler or not
  try {
    const applied = await whileLocked(sql, { key: migrationLock, patience: 'wait' }, async () => {
      const before = await migrationState(sql);
      if (before.state === 'newer') throw newer();
      if (before.state === 'current') return [];
      await applyMigrations(drizzle(sql), { migrationsFolder: folder });
      return before.missing;
    });
    return applied === 'taken' ? [] : applied.result;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

export interface SchemaRules {
  /** Work on a newer schema too: a person says that its migrations only added (docs/upgrading.md). Default: refuse. */
  acceptNewer?: boolean;
}

/** @throws SchemaError unless the database is at this build's schema, or at a newer one that is accepted. */
export async function checkMigrated(database: Database, rules: SchemaRules = {}): Promise<void> {
  const found = await migrationState(database.sql);
  if (found.state === 'newer') {
    if (rules.acceptNewer) return;
    throw newer();
  }
  if (found.state === 'behind') {
    throw new SchemaError(
      'SCHEMA_BEHIND',
      `the database lacks ${found.missing.length} migration(s) (${found.missing.join(', ')}): run \`spokecast migrate\` first`,
    );
  }
}

/** Of this build, also when its files are replaced under the running process. */
const journal = JSON.parse(readFileSync(`${folder}/meta/_journal.json`, 'utf8')) as {
  entries: { tag: string; when: number }[];
};

export async function migrationState(sql: postgres.Sql): Promise<MigrationState> {
  const [ledger] = await sql<
    { present: boolean }[]
  >`select to_regclass('drizzle.__drizzle_migrations') is not null as present`;
  const applied = ledger?.present
    ? (await sql<{ at: string }[]>`select created_at::text as at from drizzle.__drizzle_migrations`).map(
        (row) => Number(row.at),
      )
    : [];
  const known = new Set(journal.entries.map((entry) => entry.when));
  if (applied.some((at) => !known.has(at))) return { state: 'newer' };
  const missing = journal.entries.filter((entry) => !applied.includes(entry.when)).map((entry) => entry.tag);
  return missing.length === 0 ? { state: 'current' } : { state: 'behind', missing };
}

function newer(): SchemaError {
  return new SchemaError(
    'SCHEMA_NEWER',
    'the database was migrated by a newer version of Spokecast; nothing was changed. Upgrade this one, ' +
      'or see docs/upgrading.md for going back',
  );
}
