import { and, eq, isNotNull, sql } from 'drizzle-orm';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../contexts/base/clock.ts';
import { applicationKeys } from '../db/application-key-table.ts';
import type { Queryable } from '../db/client.ts';
import { memberships, users } from '../db/people-tables.ts';
import type { Role } from './actor.ts';

export type KeyRow = typeof applicationKeys.$inferSelect & {
  /** What the person whose key it is may do where it works; null where they may not, undefined for nobody's key. */
  holderRole: Role | null | undefined;
};

/** Asks the database for a key's row. */
export type FindKey = (id: string) => Promise<KeyRow | undefined>;

export function findKeyIn(db: Queryable): FindKey {
  const sameScope = sql`${memberships.tenantId} is not distinct from ${applicationKeys.tenantId}`;
  return async (id) => {
    const [found] = await db
      .select({ key: applicationKeys, status: users.status, role: memberships.role })
      .from(applicationKeys)
      .leftJoin(users, eq(users.id, applicationKeys.userId))
      .leftJoin(
        memberships,
        and(eq(memberships.userId, users.id), sameScope, isNotNull(memberships.acceptedAt)),
      )
      .where(eq(applicationKeys.id, id));
    if (!found) return undefined;
    const { key, status, role } = found;
    const holderRole = key.userId === null ? undefined : status === 'active' ? role : null;
    return { ...key, holderRole };
  };
}

/**
 * Rows of application keys, and the knowledge that there is none, for a few seconds: a busy client does not cost a
 * query a request, nor does one that goes on with a wrong key.
 *
 * Revocation through this hub takes effect at once: every change of application keys clears the cache, and a read
 * that was under way while it was cleared is not kept. Through another hub or `psql` it takes `ttlMs` at the most.
 */
export class KeyCache {
  readonly #find: FindKey;
  readonly #rows: LRUCache<string, { row: KeyRow | undefined }>;
  /** Keys whose use was written down within the last minute. */
  readonly #noted: LRUCache<string, true>;
  readonly #reads = new Map<string, Promise<KeyRow | undefined>>();
  #generation = 0;

  constructor(options: { find: FindKey; clock: Clock; ttlMs: number; entriesMax?: number }) {
    this.#find = options.find;
    const perf = { now: () => options.clock.monotonic() + 1 }; // an entry made at 0 would never expire
    const max = options.entriesMax ?? 10_000;
    this.#rows = new LRUCache({ max, ttl: options.ttlMs, ttlResolution: 0, perf });
    this.#noted = new LRUCache({ max, ttl: 60_000, ttlResolution: 0, perf });
  }

  /** The row where it is remembered; `'unknown'` where only a query could tell. */
  peek(id: string): KeyRow | undefined | 'unknown' {
    const entry = this.#rows.get(id);
    return entry ? entry.row : 'unknown';
  }

  /** The row of that key. Reads of one key that coincide share one query. */
  async get(id: string): Promise<KeyRow | undefined> {
    const remembered = this.peek(id);
    if (remembered !== 'unknown') return remembered;
    let read = this.#reads.get(id);
    if (!read) {
      read = this.#read(id).finally(() => {
        if (this.#reads.get(id) === read) this.#reads.delete(id);
      });
      this.#reads.set(id, read);
    }
    return read;
  }

  /** True once a minute for each key: then its time of use is to be written down. */
  isUseToNote(id: string): boolean {
    if (this.#noted.has(id)) return false;
    this.#noted.set(id, true);
    return true;
  }

  /** Called when keys have changed. */
  clear(): void {
    this.#generation += 1;
    this.#rows.clear();
    this.#reads.clear();
  }

  async #read(id: string): Promise<KeyRow | undefined> {
    const generation = this.#generation;
    const row = await this.#find(id);
    if (generation === this.#generation) this.#rows.set(id, { row });
    return row;
  }
}
