import { chunked } from '../contexts/base/bounded.ts';
import type { Clock } from '../contexts/base/clock.ts';
import { mayAllow } from '../contexts/denial.ts';
import { type ContextRef, type KindName, refText } from '../contexts/kinds/index.ts';
import { limits } from '../contexts/limits.ts';
import { decodeVersion } from '../contexts/revision.ts';
import type { Store, StoredItem } from '../contexts/store.ts';
import type { HeldLoss, Loss } from '../hub/db/budget.ts';
import { type Build, invalidReason } from '../hub/db/builders/index.ts';
import type { FreezeMode } from '../hub/db/guard-schema.ts';

/**
 * What stands between a build and its put, on every path into a region (law 9): the freeze, and the budget of losses.
 *
 * A *loss* is judged against what the region's store holds now: something there may let somebody through, and what
 * the hub says denies, will by the clock within the budget's window, or is gone. So the store is read for such builds
 * alone, and of these only for those that nobody meant (`intended`): whatever loosens, and what the API revokes, costs no
 * more than without a guard.
 */
export interface GuardPort {
  /** How far back losses count against the budget, and how far ahead those that the clock is to bring about. */
  readonly windowMs: number;
  /** Claims losses from the region's budget, for good; returns those that must not happen, by key. */
  claim(kind: KindName, losses: readonly Loss[]): Promise<ReadonlyMap<string, HeldLoss>>;
  /** Notes contexts whose content must not be published, so that people see them. */
  noteInvalid(found: readonly InvalidContext[]): Promise<void>;
  /** What of this region is frozen at this moment. */
  freeze(): FreezeMode | undefined;
}

export interface InvalidContext extends ContextRef {
  revision: number;
  reason: string;
}

/** Left as it is, and why: over the budget, or the region is frozen. */
export type Withheld = { outcome: 'held'; reason: string } | { outcome: 'frozen' };

export interface Judgement {
  /** By `refText`. */
  withheld: ReadonlyMap<string, Withheld>;
  /** Those that could not be judged, because hub or store did not answer: not to be put, and to be tried again. */
  unjudged: ReadonlySet<string>;
  failure: unknown;
}

/** The region is frozen, so what was to be done there was not. */
export class RegionFrozenError extends Error {
  override name = 'RegionFrozenError';
  readonly code = 'REGION_FROZEN';

  constructor() {
    super(
      'the region is frozen: nothing is published to it until the freeze is lifted; then a sweep begins by itself',
    );
  }
}

export class Guard {
  readonly #store: Store;
  readonly #port: GuardPort;
  readonly #clock: Clock;

  constructor(options: { store: Store; guard: GuardPort; clock: Clock }) {
    this.#store = options.store;
    this.#port = options.guard;
    this.#clock = options.clock;
  }

  /** Whether the freeze stops a put of this kind at this moment: asked before each of them. */
  stops(put: 'revokes' | 'other'): boolean {
    const mode = this.#port.freeze();
    return mode === 'all' || (mode === 'loosening' && put === 'other');
  }

  /**
   * @param seen what the store was just found to hold, by `refText`, where all of these are to be replaced whatever
   * their order; without it the store is asked, and what would refuse the put is no loss.
   */
  async judge(
    builds: readonly Build[],
    seen?: ReadonlyMap<string, StoredItem>,
    replacing?: ReadonlyMap<string, string>,
  ): Promise<Judgement> {
    const withheld = new Map<string, Withheld>();
    for (const build of builds) {
      if (build.state !== 'invalid' && this.stops(putOf(build)))
        withheld.set(refText(build.ref), { outcome: 'frozen' });
    }
    const unjudged = new Set<string>();
    let failure: unknown;
    const attempt = async (concerned: readonly Build[], work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        failure ??= error;
        for (const { ref } of concerned) unjudged.add(refText(ref));
      }
    };
    await attempt([], () => this.#noteInvalid(builds));
    const candidates = builds.filter((build) => !withheld.has(refText(build.ref)) && this.#mayBeLoss(build));
    await attempt(candidates, async () => {
      const items = seen ?? (await this.#read(candidates.map(({ ref }) => ref)));
      const losses = candidates.filter((build) => {
        const item = items.get(refText(build.ref));
        const wins = seen !== undefined || replacing?.has(refText(build.ref)) || outranks(build, item);
        return wins && mayAllow(item, this.#lossAtMs(build));
      });
      for (const [kind, some] of Map.groupBy(losses, ({ ref }) => ref.kind)) {
        await attempt(some, async () => {
          const wanted = some.map((build) => toLoss(build, items.get(refText(build.ref))!));
          for (const [key, { reason, detail }] of await this.#port.claim(kind, wanted)) {
            withheld.set(refText({ kind, key }), { outcome: 'held', reason: `${reason}: ${detail}` });
          }
        });
      }
    });
    return { withheld, unjudged, failure };
  }

  #mayBeLoss(build: Build): boolean {
    if (build.state === 'unknown') return true;
    if (build.state === 'invalid' || build.intended) return false;
    return build.state === 'gone' || this.#lossAtMs(build) <= this.#clock.now() + this.#port.windowMs;
  }

  /** When nobody would be let through any more: at once, or at an end that is to come, or never. */
  #lossAtMs(build: Build): number {
    const nowMs = this.#clock.now();
    if (build.state !== 'live' || build.denies) return nowMs;
    return Math.max(nowMs, build.endsAtMs ?? Number.POSITIVE_INFINITY);
  }

  async #noteInvalid(builds: readonly Build[]): Promise<void> {
    const found = builds.flatMap((build): InvalidContext[] => {
      const reason = invalidReason(build);
      return reason === undefined ? [] : [{ ...build.ref, reason, revision: revisionOf(build)! }];
    });
    if (found.length > 0) await this.#port.noteInvalid(found);
  }

  async #read(refs: readonly ContextRef[]): Promise<ReadonlyMap<string, StoredItem>> {
    const all = new Map<string, StoredItem>();
    for (const some of chunked(refs, limits.batchMax)) {
      for (const [text, item] of (await this.#store.read(some)).items) all.set(text, item);
    }
    return all;
  }
}

/**
 * What a freeze lets through unless it stops everything: what is deleted, or denies. A context that only left the
 * region does not count: its cluster may be on the way to another, where it would not arrive.
 */
export function putOf(build: Build): 'revokes' | 'other' {
  if (build.state === 'gone') return build.deleted ? 'revokes' : 'other';
  return build.state === 'live' && build.denies ? 'revokes' : 'other';
}

function outranks(build: Build, item: StoredItem | undefined): boolean {
  if (build.state === 'unknown' || build.state === 'invalid') return false; // nothing is put
  return item?.state !== 'context' || item.envelope.version < build.envelope.version;
}

function revisionOf(build: Build): number | null {
  if (build.state === 'unknown') return null;
  return build.state === 'invalid' ? build.revision : decodeVersion(build.envelope.version)!.revision;
}

function toLoss(build: Build, item: StoredItem): Loss {
  const replaced = item.state === 'context' ? item.envelope.version : `corrupt ${item.seen ?? ''}`;
  const turn = build.state === 'live' ? 'denies' : 'goes';
  return { key: build.ref.key, revision: revisionOf(build), replaced, turn };
}
