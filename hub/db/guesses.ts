import { type SQL, sql } from 'drizzle-orm';
import { textArray } from './builders/builder.ts';
import type { Queryable } from './client.ts';
import { guesses } from './people-tables.ts';

/** Whose failures a guess would add to. */
export interface GuessNames {
  source: string;
  account: string;
  /** Both of them together: counted instead of each, where the account's password has worked from that source. */
  pair: string;
}

export type Count =
  | { outcome: 'counted'; names: string[] }
  /** One of them has no guess left before then. Nothing was counted. */
  | { outcome: 'full'; untilMs: number };

const at = (ms: number): SQL => sql`to_timestamp(${ms / 1000}::float8)`;

/**
 * Counts a guess in one statement, on whichever hub it is made: one for each name, or none where one is full. What
 * others have counted since the statement began is seen by the insert alone, which then leaves a name out.
 */
export async function countGuess(
  db: Queryable,
  { source, account, pair }: GuessNames,
  limit: { nowMs: number; endsAtMs: number; failuresMax: number },
): Promise<Count> {
  const now = at(limit.nowMs);
  for (;;) {
    const rows = await db.execute<{ name: string; isCounted: boolean; untilMs: number | null }>(sql`
      with wanted as (
        select unnest(case
          when exists (select from ${guesses} where name = ${pair} and known_until > ${now}) then ${textArray([pair])}
          else ${textArray([source, account])} end) as name
      ), fullest as (
        select max(window_ends_at) as until from ${guesses} join wanted using (name)
        where failures >= ${limit.failuresMax} and window_ends_at > ${now}
      ), counted as (
        insert into ${guesses} as held (name, failures, window_ends_at)
        select name, 1, ${at(limit.endsAtMs)} from wanted, fullest where until is null order by name
        on conflict (name) do update set
          failures = case when held.window_ends_at <= ${now} then 1 else held.failures + 1 end,
          window_ends_at = case when held.window_ends_at <= ${now} then excluded.window_ends_at else held.window_ends_at end
        where held.window_ends_at <= ${now} or held.failures < ${limit.failuresMax}
        returning name
      )
      select name, exists (select from counted where counted.name = wanted.name) as "isCounted",
        (extract(epoch from until) * 1000)::float8 as "untilMs"
      from wanted, fullest`);
    const names = rows.filter(({ isCounted }) => isCounted).map(({ name }) => name);
    if (names.length === rows.length) return { outcome: 'counted', names };
    const { untilMs } = rows[0]!;
    if (untilMs !== null) return { outcome: 'full', untilMs };
    if (names.length > 0) await forgiveGuess(db, names); // and find out until when it is full that was full
  }
}

/** Takes a guess back that was counted. */
export async function forgiveGuess(db: Queryable, names: readonly string[]): Promise<void> {
  await db.execute(sql`
    update ${guesses} set failures = greatest(0, failures - 1) where name in (
      select name from ${guesses} where name = any(${textArray(names)}) order by name for update)`);
}

/** Notes that the account's password works from there: what failed there before is forgotten. */
export async function knowPlace(
  db: Queryable,
  pair: string,
  until: { nowMs: number; knownUntilMs: number },
): Promise<void> {
  await db.execute(sql`
    insert into ${guesses} (name, failures, window_ends_at, known_until)
    values (${pair}, 0, ${at(until.nowMs)}, ${at(until.knownUntilMs)})
    on conflict (name) do update set failures = 0, known_until = excluded.known_until`);
}

/** Rows that one statement removes: nobody's sign-in waits for all of them. */
const trimmedAtOnce = 1_000;

/** Removes what counts no more. */
export async function trimGuesses(db: Queryable, nowMs: number): Promise<void> {
  const now = at(nowMs);
  await removeAll(db, sql`known_until is null and window_ends_at <= ${now}`);
  await removeAll(db, sql`known_until <= ${now} and window_ends_at <= ${now}`);
}

async function removeAll(db: Queryable, over: SQL): Promise<void> {
  for (let removed = trimmedAtOnce; removed === trimmedAtOnce; ) {
    const rows = await db.execute(sql`
      delete from ${guesses} where name = any(array(
        select name from ${guesses} where ${over} limit ${trimmedAtOnce} for update skip locked))
      returning 1`);
    removed = rows.length;
  }
}

/** Of more than `max` of either kind, those that end soonest are removed. */
export async function boundGuesses(db: Queryable, max: number): Promise<void> {
  await db.execute(sql`
    delete from ${guesses} where known_until is null and window_ends_at <= (
      select window_ends_at from ${guesses} where known_until is null
      order by window_ends_at desc offset ${max} limit 1)`);
  await db.execute(sql`
    delete from ${guesses} where known_until is not null and known_until <= (
      select known_until from ${guesses} where known_until is not null
      order by known_until desc offset ${max} limit 1)`);
}
