import type { SQL } from 'drizzle-orm';
import { eq, sql } from 'drizzle-orm';
import type { Body, KindName } from '../../../contexts/kinds/index.ts';
import type { Queryable } from '../client.ts';
import { heads, hubState } from '../schema.ts';

/**
 * One builder a kind: one query that derives what a region holds of it. The same query serves a refresh (these
 * keys) and a sweep (this range of keys), so the two cannot disagree about what a context is.
 *
 * The query has a column `key` and whatever `toBody` wants; a row exists exactly when the region is to hold the
 * context. The parameter `region` limits it to one region.
 */
export interface Builder<Name extends KindName, Row extends { key: string }> {
  readonly kind: Name;
  /**
   * The derivation as SQL: `select ... as "key", ... from ... where <region>`. No column's name begins with `head_`;
   * whole numbers are `float8`, as the driver gives a `bigint` as text, and arrays are JSON, as it takes a null in one for
   * the word.
   */
  derive(region: string): SQL;
  /**
   * Which regions hold these keys' contexts now, or did within the last day: `select "key", regions text[]`.
   * Asked after the change was committed. A key whose row is gone may be missing: its deletion recorded its regions.
   */
  holders(keys: SQL): SQL;
  /**
   * Of a context whose row is there and which the region is not to hold: whether it left the region on purpose, as one
   * scalar query. `key` is the context's.
   */
  leftOnPurpose(region: string, key: SQL): SQL;
  /**
   * From a derived row to the context's body. Validation is the envelope's. Fields in the order of their names, so that
   * canonical JSON has nothing to put in order: a sweep prints millions of them.
   */
  toBody(row: Row): Body<Name>;
}

export function defineBuilder<Name extends KindName, Row extends { key: string }>(
  builder: Builder<Name, Row>,
): Builder<Name, Row> {
  return builder;
}

/** One context as the hub's ledger and derivation give it, in one snapshot. */
export interface Derived {
  key: string;
  epoch: number;
  revision: number;
  /** What the region is to hold; null where it is to hold nothing. */
  body: unknown;
  live: boolean;
  /** The row itself is gone, not only from this region. */
  deleted: boolean;
  /** It is as it is on purpose (law 9). Not asked for in ranges, where nobody judges by it: false. */
  intended: boolean;
  /** When that was so, by the database's clock. Asked for where the region is to hold nothing; else 0. */
  goneAtMs: number;
}

/** What the derivation gives, beside what the ledger says of it. As JSON it would be made and parsed row by row. */
export interface DerivedRow extends Record<string, unknown> {
  /** Null where the region is to hold nothing: then everything else of the derivation is null too. */
  key: string | null;
  head_key: string;
  head_epoch: number;
  head_revision: string;
  head_deleted?: boolean;
  head_intended?: boolean;
  head_gone_at_ms?: number | null;
}

/** Of the same snapshot as the statement it stands in. As a join it would mislead the planner about how many rows come. */
const epoch = sql`(select ${hubState.epoch} from ${hubState})`;

// biome-ignore lint/suspicious/noExplicitAny: rows differ by builder; each builder's own types meet in `toBody`
type AnyBuilder = Builder<any, any>;

/** These keys, live or gone. A key without a head is not in the result. One statement: body and revision agree. */
export async function deriveKeys(
  db: Queryable,
  builder: AnyBuilder,
  region: string,
  keys: readonly string[],
): Promise<Derived[]> {
  const rows = await db.execute<DerivedRow>(sql`
    select d.*, ${heads.key} as head_key, ${heads.revision}::text as head_revision, ${epoch} as head_epoch,
      ${heads.deleted} as head_deleted,
      case when d."key" is not null or ${heads.deleted} then ${heads.intended}
        else coalesce((${builder.leftOnPurpose(region, sql`${heads.key}`)}), false) end as head_intended,
      case when d."key" is null then extract(epoch from clock_timestamp())::float8 * 1000 end as head_gone_at_ms
    from ${heads}
    left join (${builder.derive(region)}) d on d."key" = ${heads.key}
    where ${eq(heads.kind, builder.kind)} and ${heads.key} = any(${textArray(keys)})
    order by ${heads.key}`);
  return rows.map((row) => toDerived(builder, row));
}

/**
 * What the region is to hold with `after < key`, in byte order of keys, at most `limit`. One statement.
 * The range is said of the heads as well, which Postgres does not conclude by itself: it then walks both in order
 * side by side, in half the time of looking up a head for every row. Rows as they came: see {@link toDerived}.
 */
export async function deriveRange(
  db: Queryable,
  builder: AnyBuilder,
  region: string,
  range: { after: string; limit: number },
): Promise<DerivedRow[]> {
  return db.execute<DerivedRow>(sql`
    select d.*, ${heads.key} as head_key, ${heads.revision}::text as head_revision, ${epoch} as head_epoch
    from (${builder.derive(region)}) d
    join ${heads} on ${heads.kind} = ${builder.kind} and ${heads.key} = d."key"
    where d."key" > ${range.after} and ${heads.key} > ${range.after}
    order by d."key" limit ${range.limit}`);
}

export function toDerived(builder: AnyBuilder, row: DerivedRow): Derived {
  const live = row.key !== null;
  const body = live ? builder.toBody(row) : null;
  const {
    head_key: key,
    head_epoch: epoch,
    head_deleted: deleted = false,
    head_intended: intended = false,
    head_gone_at_ms,
  } = row;
  const goneAtMs = Math.ceil(head_gone_at_ms ?? 0);
  return { key, epoch, revision: Number(row.head_revision), live, body, deleted, intended, goneAtMs };
}

/** A JavaScript array as one parameter of type text[] (drizzle would spread it). */
export function textArray(values: readonly string[]): SQL {
  return sql`${sql.param(`{${values.map((value) => JSON.stringify(value)).join(',')}}`)}::text[]`;
}
