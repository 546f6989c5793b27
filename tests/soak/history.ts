import type postgres from 'postgres';

/**
 * The soak's own memory of what was committed, kept by row triggers of its own beside the production ones. It is
 * what answers are judged by, and shares nothing with heads, outbox or builders: of those it only notes when which
 * revision was drawn.
 *
 * Numbers of one row ascend in the order of its commits, because they are drawn while the row's lock is held.
 */
export async function installHistory(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    create schema soak;
    create table soak.history (
      seq bigint generated always as identity primary key,
      at timestamptz not null default clock_timestamp(),
      xid xid8 not null default pg_current_xact_id(),
      thing text not null,
      id text not null,
      content jsonb
    );
    create function soak.remember() returns trigger language plpgsql as $$
    declare
      changed jsonb := to_jsonb(case when tg_op = 'DELETE' then old else new end);
    begin
      insert into soak.history (thing, id, content) values (
        tg_argv[0],
        case tg_argv[0] when 'head' then (changed ->> 'kind') || '/' || (changed ->> 'key') else changed ->> 'id' end,
        case when tg_op = 'DELETE' then null else changed end);
      return null;
    end $$;`);
  for (const [table, thing] of Object.entries(remembered)) {
    await sql.unsafe(`
      create trigger soak_remember after insert or update or delete on ${table}
        for each row execute function soak.remember('${thing}')`);
  }
}

const remembered = { tenants: 'tenant', clusters: 'cluster', agent_keys: 'agent-key', heads: 'head' };

export type Thing = 'tenant' | 'cluster' | 'agent-key';

/** One state that a row was committed in. */
export interface State {
  /** When it was written, in the transaction that committed it: nobody can have seen it earlier. Unix ms. */
  atMs: number;
  /** The row; null for none. */
  row: Readonly<Record<string, unknown>> | null;
  /** The first revision that a context with this state can have. */
  revision: number;
}

/** What was committed up to a moment. */
export class History {
  readonly #states = new Map<string, State[]>();
  readonly #drawn = new Map<string, { revision: number; atMs: number }[]>();
  readonly rows: number;

  static async read(sql: postgres.Sql): Promise<History> {
    return new History(
      await sql<HistoryRow[]>`
        select seq::float8, (extract(epoch from at) * 1000)::float8 as at_ms, xid::text, thing, id, content
        from soak.history order by seq`,
    );
  }

  constructor(rows: readonly HistoryRow[]) {
    this.rows = rows.length;
    const ofHead = Map.groupBy(
      rows.filter(({ thing }) => thing === 'head'),
      ({ id }) => id,
    );
    for (const [name, heads] of ofHead) {
      this.#drawn.set(
        name,
        heads.flatMap(({ content, at_ms }) =>
          content ? [{ revision: Number(content.revision), atMs: at_ms }] : [],
        ),
      );
    }
    for (const row of rows) {
      if (row.thing === 'head') continue;
      const name = `${row.thing}/${row.id}`;
      const states = this.#states.get(name) ?? [{ atMs: 0, row: null, revision: 0 }];
      this.#states.set(name, states);
      // The capture bumps the head after the row, in the same transaction; what it leaves out is no new content.
      const bump = ofHead.get(name)?.find(({ seq, xid }) => xid === row.xid && seq > row.seq);
      const revision = bump?.content ? Number(bump.content.revision) : states.at(-1)!.revision;
      states.push({ atMs: row.at_ms, row: row.content, revision });
    }
  }

  /** Every state the thing was in, oldest first; it begins as nothing. */
  states(thing: Thing, id: string): readonly State[] {
    return this.#states.get(`${thing}/${id}`) ?? [{ atMs: 0, row: null, revision: 0 }];
  }

  /** Every revision drawn for the context, and when. */
  drawn(thing: Thing, id: string): readonly { revision: number; atMs: number }[] {
    return this.#drawn.get(`${thing}/${id}`) ?? [];
  }
}

export interface HistoryRow {
  seq: number;
  at_ms: number;
  xid: string;
  thing: string;
  id: string;
  content: Record<string, unknown> | null;
}
