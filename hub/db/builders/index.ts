import { sql } from 'drizzle-orm';
import type { Clock } from '../../../contexts/base/clock.ts';
import { denies, endsAtMs, sealDenial } from '../../../contexts/denial.ts';
import { canonicalJson, type Envelope, seal, tombstone } from '../../../contexts/envelope.ts';
import { isContextKey } from '../../../contexts/keys.ts';
import { type ContextRef, type KindName, kindNames, kinds } from '../../../contexts/kinds/index.ts';
import { encodeVersion, type VersionText } from '../../../contexts/revision.ts';
import type { Queryable } from '../client.ts';
import { agentKeyBuilder } from './agent-key.ts';
import { type Derived, type DerivedRow, deriveKeys, deriveRange, textArray, toDerived } from './builder.ts';
import { clusterBuilder } from './cluster.ts';
import { heartbeatBuilder } from './heartbeat.ts';
import { tenantBuilder } from './tenant.ts';

const builders = {
  tenant: tenantBuilder,
  cluster: clusterBuilder,
  'agent-key': agentKeyBuilder,
  heartbeat: heartbeatBuilder,
} as const satisfies {
  [Name in KindName]: { kind: Name };
};

/** What the hub has to say of one context in one region. */
export type Build = { ref: ContextRef } & (
  | {
      state: 'live';
      envelope: Envelope;
      /** It lets nobody through. */
      denies: boolean;
      /** From then on it lets nobody through, and nothing is published for it. */
      endsAtMs?: number | undefined;
      /** It is as it is on purpose: exempt from the budget of losses (law 9). */
      intended: boolean;
      /** Why its content must not be published: the envelope is a stand-in that denies, as the content does. */
      invalid?: string;
    }
  /** The region is to hold nothing under this key; the envelope is the tombstone that says so. */
  | {
      state: 'gone';
      envelope: Envelope;
      /** The row itself is gone, not only from this region. */
      deleted: boolean;
      /** As above. */
      intended: boolean;
    }
  /** The hub has never heard of it. */
  | { state: 'unknown' }
  /** It is to be held, but its content must not be published. */
  | { state: 'invalid'; revision: number; reason: string }
);

/**
 * What the region is to hold under a key, read but not built yet: where the store has this very version and text, a
 * publisher has checked that text when it put it there, and nothing needs to be validated and hashed once more.
 */
export interface Draft {
  readonly key: string;
  readonly version: VersionText;
  /** As it would be stored; an envelope's only if the content is valid. */
  readonly bodyText: string;
  build(): Build;
}

/** Why the content must not be published; undefined where it may. */
export function invalidReason(build: Build): string | undefined {
  if (build.state === 'invalid') return build.reason;
  return build.state === 'live' ? build.invalid : undefined;
}

/**
 * Builds the named contexts for one region, in the order given. All in one snapshot: one statement a kind, in one
 * repeatable-read transaction where there are several kinds.
 */
export async function buildContexts(
  db: Queryable,
  region: string,
  refs: readonly ContextRef[],
  clock: Clock,
): Promise<Build[]> {
  const wanted = kindNames
    .map((kind) => ({ kind, keys: refs.filter((ref) => ref.kind === kind).map((ref) => ref.key) }))
    .filter(({ keys }) => keys.length > 0);
  const builtAtMs = clock.now();
  const found = new Map<string, Build>();
  const derive = async (queryable: Queryable) => {
    for (const { kind, keys } of wanted) {
      for (const derived of await deriveKeys(queryable, builders[kind], region, keys)) {
        found.set(`${kind}/${derived.key}`, toBuild(kind, derived, builtAtMs));
      }
    }
  };
  if (wanted.length > 1)
    await db.transaction(derive, { isolationLevel: 'repeatable read', accessMode: 'read only' });
  else await derive(db);
  return refs.map((ref) => found.get(`${ref.kind}/${ref.key}`) ?? { ref, state: 'unknown' });
}

/** The next `limit` contexts of a kind that the region is to hold, in byte order of keys, in a snapshot of its own. */
export async function draftRange(
  db: Queryable,
  region: string,
  kind: KindName,
  range: { after: string; limit: number },
  clock: Clock,
): Promise<Draft[]> {
  const builtAtMs = clock.now();
  const rows = await deriveRange(db, builders[kind], region, range);
  return rows.map((row) => new DerivedDraft(kind, row, builtAtMs));
}

/** The regions each context is or was lately held in, by `kind/key`. In a snapshot of now: call it after commit. */
export async function holdersOf(
  db: Queryable,
  refs: readonly ContextRef[],
): Promise<Map<string, readonly string[]>> {
  const holders = new Map<string, readonly string[]>();
  for (const kind of kindNames) {
    const keys = refs.filter((ref) => ref.kind === kind).map((ref) => ref.key);
    if (keys.length === 0) continue;
    const rows = await db.execute<{ key: string; regions: string[] }>(
      builders[kind].holders(textArray(keys)),
    );
    for (const row of rows) holders.set(`${kind}/${row.key}`, row.regions);
  }
  return holders;
}

/** Everything is made when it is asked for: most drafts wait in pages, and what waits long costs the collector dearly. */
class DerivedDraft implements Draft {
  readonly key: string;
  readonly #kind: KindName;
  readonly #row: DerivedRow;
  readonly #builtAtMs: number;

  constructor(kind: KindName, row: DerivedRow, builtAtMs: number) {
    this.key = row.head_key;
    this.#kind = kind;
    this.#row = row;
    this.#builtAtMs = builtAtMs;
  }

  get version(): VersionText {
    const { head_epoch: epoch, head_revision } = this.#row;
    const revision = Number(head_revision);
    return encodeVersion({ epoch, revision, schemaVersion: kinds[this.#kind].schemaVersion });
  }

  get bodyText(): string {
    return canonicalJson(toDerived(builders[this.#kind], this.#row).body);
  }

  build(): Build {
    return toBuild(this.#kind, toDerived(builders[this.#kind], this.#row), this.#builtAtMs);
  }
}

function toBuild(kind: KindName, derived: Derived, builtAtMs: number): Build {
  const ref = { kind, key: derived.key };
  const { epoch, revision, body, deleted, intended, goneAtMs } = derived;
  // One such row must not take the others of its batch, or the region's sweep, with it.
  if (!isContextKey(ref.key)) return { ref, state: 'invalid', revision, reason: 'key: not well-formed' };
  if (!derived.live)
    return {
      ref,
      state: 'gone',
      // Its retention counts from here: by the later of two clocks, so that one that is slow cannot end it early.
      envelope: tombstone({ ...ref, epoch, revision, builtAtMs: Math.max(builtAtMs, goneAtMs) }),
      deleted,
      intended,
    };
  const sealed = seal({ ...ref, epoch, revision, body, builtAtMs });
  const denying = denies(kind, body, builtAtMs);
  if (sealed.outcome === 'sealed')
    return {
      ...{ ref, state: 'live', envelope: sealed.envelope, intended },
      ...{ denies: denying, endsAtMs: endsAtMs(kind, body) },
    };
  const { reason } = sealed;
  if (!denying) return { ref, state: 'invalid', revision, reason };
  const envelope = sealDenial({ ...ref, epoch, revision, body, builtAtMs });
  return { ref, state: 'live', envelope, denies: true, intended, invalid: reason };
}

/** How many contexts the region is to hold now, of all kinds. */
export async function countContexts(db: Queryable, region: string): Promise<number> {
  let count = 0;
  for (const kind of kindNames) {
    const [row] = await db.execute<{ count: string }>(
      sql`select count(*) as count from (${builders[kind].derive(region)}) d`,
    );
    count += Number(row!.count);
  }
  return count;
}
