import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { systemRandom } from '../../contexts/base/random.ts';
import { preparing } from './prepared.ts';
import * as schema from './schema.ts';

export type Db = PostgresJsDatabase<typeof schema>;
/** A database or a transaction in it. */
export type Queryable = Pick<Db, 'select' | 'insert' | 'update' | 'delete' | 'execute' | 'transaction'>;

export interface Database extends AsyncDisposable {
  readonly db: Db;
  /** The driver underneath: `listen`, and statements drizzle has no words for. */
  readonly sql: postgres.Sql;
}

export interface ConnectOptions {
  /** Shown in pg_stat_activity. */
  applicationName: string;
  /** Connections at the most; default 10. */
  max?: number;
  /** Milliseconds a statement may run; default 30,000. */
  statementTimeoutMs?: number;
}

/** Opens a pool. Nothing is connected before the first query. A transaction that idles 5 s is ended by the server. */
export function connect(databaseUrl: string, options: ConnectOptions): Database {
  const client = postgres(databaseUrl, {
    max: options.max ?? 10,
    connect_timeout: 5,
    backoff: reconnectAfterSeconds,
    idle_timeout: 60,
    onnotice: () => {},
    connection: {
      application_name: options.applicationName,
      idle_in_transaction_session_timeout: 5_000,
      statement_timeout: options.statementTimeoutMs ?? 30_000,
      plan_cache_mode: 'force_custom_plan', // of what is prepared: values decide, between ten keys and all of them
    },
  });
  const sql = preparing(client);
  return {
    db: drizzle(sql, { schema }),
    sql,
    [Symbol.asyncDispose]: () => sql.end({ timeout: 5 }),
  };
}

/** The driver's own waits grow to 20 s: a database that was gone for a minute would be left alone for as long again. */
function reconnectAfterSeconds(attempts: number): number {
  return Math.min(0.05 * 2 ** attempts, 1) * (0.75 + systemRandom.fraction() / 4);
}
