import { sql as drizzleSql } from 'drizzle-orm';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { systemRandom } from '../../contexts/base/random.ts';
import type { DatabaseAddress } from './address.ts';
import { outboxChannel } from './outbox.ts';
import { preparing } from './prepared.ts';
import * as schema from './schema.ts';
import { unpipelined } from './unpipelined.ts';

export type Db = PostgresJsDatabase<typeof schema>;
/** A database or a transaction in it. */
export type Queryable = Pick<Db, 'select' | 'insert' | 'update' | 'delete' | 'execute' | 'transaction'>;

export interface Database extends AsyncDisposable {
  readonly db: Db;
  /** The driver underneath: for statements drizzle has no words for. */
  readonly sql: postgres.Sql;
  readonly pooler: DatabaseAddress['pooler'];
  /** The connection past the pooler, where there are both. */
  readonly direct: postgres.Sql | undefined;
  /**
   * Calls `wake` whenever somebody notifies the channel, and when the connection is there (again), for what was missed
   * meanwhile. `deaf`: a pooler stands in between and there is no way past it; then only polling helps.
   */
  listen(channel: string, wake: () => void): Promise<'listening' | 'deaf'>;
  /**
   * Notifies all of these channels, whatever the pool is busy with: on a connection of its own, from the first time on.
   * Waits for no disk, as a transaction that notifies has others wait for it until it has committed. That of the outbox
   * is left out while the outbox is empty, as nobody would find anything to do there.
   */
  notify(channels: readonly string[]): Promise<void>;
}

export interface ConnectOptions {
  /** Shown in pg_stat_activity. */
  applicationName: string;
  /** Connections at the most; default 10. */
  max?: number;
  /** Milliseconds a statement may run; default 30,000. */
  statementTimeoutMs?: number;
}

/** How long a transaction of ours may wait for us: a frozen process is to hold no locks. */
const idleInTransactionMs = 5_000;

/** Whatever a connection is stuck with (a server that nobody uses any more) ends with it. */
const lifetimeSeconds = 300;

/** Of what is prepared: values decide, between ten keys and all of them. */
const planning = { plan_cache_mode: 'force_custom_plan' };

/**
 * Opens a pool. Nothing is connected before the first query, and nothing to a server that takes no writes. A
 * transaction that idles 5 s is ended by the server.
 *
 * Behind a transaction pooler the settings are given to each transaction, because a connection keeps none; what runs
 * outside of one has only the bounds that the server itself sets. Nor are statements prepared by name there: a pooler
 * may not know the names.
 */
export function connect(where: string | DatabaseAddress, options: ConnectOptions): Database {
  const address: DatabaseAddress = typeof where === 'string' ? { url: where, pooler: 'none' } : where;
  const settings = {
    idle_in_transaction_session_timeout: idleInTransactionMs,
    statement_timeout: options.statementTimeoutMs ?? 30_000,
  };
  const open = (url: string, pooled: boolean, own: { max: number; fetch_types?: boolean }) =>
    postgres(url, {
      ...own,
      prepare: !pooled,
      connect_timeout: 5,
      backoff: reconnectAfterSeconds,
      idle_timeout: 60,
      max_lifetime: lifetimeSeconds,
      target_session_attrs: 'read-write',
      onnotice: () => {},
      connection: {
        application_name: options.applicationName,
        ...(pooled ? {} : { ...settings, ...planning }),
      },
    });
  const pooled = address.pooler === 'transaction';
  const { pooler, directUrl } = address;
  const opened = open(address.url, pooled, { max: options.max ?? 10 });
  const sql = pooled ? unpipelined(opened) : preparing(opened);
  const spoken = open(address.url, pooled, { max: 1, fetch_types: false }); // it is given none but text
  const voice = pooled ? unpipelined(spoken) : spoken;
  const direct = pooled && directUrl !== undefined ? open(directUrl, false, { max: 1 }) : undefined;
  const db = drizzle(sql, { schema });
  return {
    db: pooled ? withSettings(db, settings) : db,
    ...{ sql, pooler, direct },
    async listen(channel, wake) {
      const ear = pooler === 'none' ? sql : direct;
      if (!ear) return 'deaf';
      await ear.listen(channel, wake, wake);
      return 'listening';
    },
    async notify(channels) {
      await voice`
        select set_config('synchronous_commit', 'off', true), pg_notify(channel, '')
        from unnest(string_to_array(${channels.join()}, ',')) channel
        where channel <> ${outboxChannel} or exists (select from outbox)`;
    },
    async [Symbol.asyncDispose]() {
      const all = [sql, voice, ...(direct ? [direct] : [])];
      await Promise.all(all.map((one) => one.end({ timeout: 5 })));
    },
  };
}

/** The same database, whose transactions begin with the settings. */
function withSettings(db: Db, settings: Record<string, number>): Db {
  const pairs = Object.entries(settings).map(
    ([name, ms]) => drizzleSql`set_config(${name}, ${String(ms)}, true)`,
  );
  const transaction = db.transaction.bind(db);
  db.transaction = (work, config) =>
    transaction(async (tx) => {
      await tx.execute(drizzleSql`select ${drizzleSql.join(pairs, drizzleSql`, `)}`);
      return await work(tx);
    }, config);
  return db;
}

/** The driver's own waits grow to 20 s: a database that was gone for a minute would be left alone for as long again. */
function reconnectAfterSeconds(attempts: number): number {
  return Math.min(0.05 * 2 ** attempts, 1) * (0.75 + systemRandom.fraction() / 4);
}
