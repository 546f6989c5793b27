import type { KindName } from '../../../contexts/kinds/index.ts';
import type { Change } from '../../../hub/db/outbox.ts';

/** The hub's tables, as far as contexts are made from them. Rows are never changed in place. */
export interface Rows {
  tenants: { id: string; name: string; status: 'active' | 'suspended' };
  clusters: {
    id: string;
    tenantId: string;
    name: string;
    status: 'active' | 'disabled';
    upstreamUrl: string;
  };
  placements: { clusterId: string; region: string; upstreamUrl: string | null };
  agentKeys: {
    id: string;
    clusterId: string;
    verifier: string;
    status: 'active' | 'disabled';
    expiresAtMs: number | null;
  };
  heads: { kind: KindName; key: string; revision: number; deleted: boolean; xid: number };
  holdings: {
    clusterId: string;
    region: string;
    tenantId: string;
    untilMs: number | null;
    settled: boolean;
  };
  outbox: Change & { claimedBy: string | null; claimedUntilMs: number };
}
export type Table = keyof Rows;

/** A map of rows a table. `Gone` stands for a row that was deleted, where that is to be told. */
type Tables<Gone = never> = { readonly [Name in Table]: Map<string, Rows[Name] | Gone> };

function emptyTables<Gone = never>(): Tables<Gone> {
  return {
    tenants: new Map(),
    clusters: new Map(),
    placements: new Map(),
    agentKeys: new Map(),
    heads: new Map(),
    holdings: new Map(),
    outbox: new Map(),
  };
}

/** Postgres' row locks, weakest first, and what each is in conflict with. */
export type LockMode = 'key share' | 'share' | 'no key update' | 'update';
const conflicts: Record<LockMode, readonly LockMode[]> = {
  'key share': ['update'],
  share: ['no key update', 'update'],
  'no key update': ['share', 'no key update', 'update'],
  update: ['key share', 'share', 'no key update', 'update'],
};

/** The statement would wait for a lock. Nobody waits in here: the transaction is undone, as by `lock_timeout`. */
export class BlockedError extends Error {
  override name = 'BlockedError';
}

/**
 * As much of Postgres as the capture relies on: transactions that run side by side at *read committed*, row locks,
 * sequences that leave gaps and are drawn before the commit, transaction ids and the horizons of a snapshot.
 */
export class Database {
  readonly committed: Tables = emptyTables();
  readonly running = new Set<Transaction>();
  /** The sequences' last values. */
  revision = 0;
  outboxId = 0;
  xid = 100;
  /** Commits so far, which is what truth is told by. */
  commits = 0;
  onCommit: (transaction: Transaction) => void = () => {};

  begin(): Transaction {
    const transaction = new Transaction(this);
    this.running.add(transaction);
    return transaction;
  }

  /** Runs `work` as one transaction: committed when it returns, undone when it throws. */
  transact<Result>(work: (tx: Transaction) => Result): Result {
    const tx = this.begin();
    try {
      const result = work(tx);
      tx.commit();
      return result;
    } catch (error) {
      tx.rollback();
      throw error;
    }
  }

  /** `pg_snapshot_xmin`: the lowest transaction that is still running. */
  get xmin(): number {
    return Math.min(this.xid + 1, ...[...this.running].map((tx) => tx.xid ?? Number.POSITIVE_INFINITY));
  }
}

/** One transaction. What it writes is its own until it commits; each statement sees all that is committed by then. */
export class Transaction {
  readonly #database: Database;
  readonly #writes: Tables<null> = emptyTables<null>();
  readonly #locks = new Map<string, Set<LockMode>>();
  /** Given with the first write. */
  xid: number | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  get<Name extends Table>(table: Name, key: string): Rows[Name] | undefined {
    const written = this.#writes[table].get(key) as Rows[Name] | null | undefined;
    return written === undefined ? this.#database.committed[table].get(key) : (written ?? undefined);
  }

  all<Name extends Table>(table: Name): Rows[Name][] {
    const keys = new Set([...this.#database.committed[table].keys(), ...this.#writes[table].keys()]);
    return [...keys].map((key) => this.get(table, key)).filter((row) => row !== undefined);
  }

  /** Writes the row, which it locks; `null` deletes it. */
  write<Name extends Table>(
    table: Name,
    key: string,
    row: Rows[Name] | null,
    mode: LockMode = 'update',
  ): void {
    this.lock(table, key, mode);
    this.xid ??= ++this.#database.xid;
    (this.#writes[table] as Map<string, Rows[Name] | null>).set(key, row);
  }

  /** @throws BlockedError where another transaction holds a lock in its way. */
  lock(table: Table, key: string, mode: LockMode): void {
    const name = `${table}/${key}`;
    if (!this.isFree(table, key, mode)) throw new BlockedError(`${name} is locked by another transaction`);
    const own = this.#locks.get(name) ?? new Set();
    this.#locks.set(name, own.add(mode));
  }

  /** Whether the lock could be had now: what `skip locked` looks at. */
  isFree(table: Table, key: string, mode: LockMode): boolean {
    const name = `${table}/${key}`;
    return ![...this.#database.running].some(
      (other) =>
        other !== this && [...(other.#locks.get(name) ?? [])].some((held) => conflicts[mode].includes(held)),
    );
  }

  nextRevision(): number {
    return ++this.#database.revision;
  }

  nextOutboxId(): number {
    return ++this.#database.outboxId;
  }

  written<Name extends Table>(table: Name): Rows[Name][] {
    return [...this.#writes[table].values()].filter((row) => row !== null) as Rows[Name][];
  }

  commit(): void {
    for (const table of Object.keys(this.#writes) as Table[]) {
      const committed = this.#database.committed[table] as Map<string, unknown>;
      for (const [key, row] of this.#writes[table]) {
        if (row === null) committed.delete(key);
        else committed.set(key, row);
      }
    }
    this.#database.running.delete(this);
    this.#database.commits += 1;
    this.#database.onCommit(this);
  }

  rollback(): void {
    this.#database.running.delete(this);
  }
}
