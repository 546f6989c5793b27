import { settleBounded } from '../contexts/base/bounded.ts';
import { ageMsOf, type Clock, type Moment, momentOf } from '../contexts/base/clock.ts';
import type { Envelope } from '../contexts/envelope.ts';
import { type ContextRef, kindNames, refText } from '../contexts/kinds/index.ts';
import type { VersionText } from '../contexts/revision.ts';
import type { Announcement, PutOutcome, Store, StoredItem } from '../contexts/store.ts';
import { type Build, invalidReason } from '../hub/db/builders/index.ts';
import { Guard, type GuardPort, type Judgement, putOf, RegionFrozenError } from './guard.ts';

/**
 * The publish step, the only way into a region: build, validate, put if newer, announce. Refresh and sweep both end
 * here, and so does every repair.
 *
 * - *build*: all named contexts in one snapshot. A snapshot older than `snapshotAgeMaxMs` when its turn to be put
 *   comes is thrown away and built again, so that a publisher that was frozen puts nothing from before.
 * - *validate*: what breaks its schema is left out, and the last good state stays in place.
 * - *judge*: what is over the budget of losses is held, and what a freeze stops is left out (publisher/guard.ts).
 * - *raise*: the region's high-water mark goes up before the first put, so that a hub restored from a backup finds
 *   out that the region is ahead of it.
 * - *put*: unless a freeze came meanwhile; live contexts in the order tenant, cluster, key; then tombstones in reverse. Each is conditional on its
 *   version (law 2). Where a live one fails, those that point at it wait; a revocation does not.
 * - *announce*: what was written, and what was already there: whoever put it may have died before saying so.
 *
 * Doing any of it again is safe. When some puts fail, the others are announced all the same, then the first failure
 * is thrown and the caller retries all.
 */
export type ContextOutcome =
  | PutOutcome
  /** Its content must not be published; see the log for why. Where it denies, a stand-in that does was put. */
  | 'quarantined'
  /** It is over the budget of losses: the last good state stays until a person approves (law 9). */
  | 'held'
  /** The region is frozen. */
  | 'frozen'
  /** The hub has no head of that name. */
  | 'unknown';

export interface PublishResult {
  outcomes: ReadonlyMap<string, ContextOutcome>;
  /** The feed number that announced it; undefined where nothing was announced. */
  feedNumber: number | undefined;
  /** When the last put was answered, by the monotonic clock. */
  putAtMs: number;
}

export interface PublishRequest {
  refs: readonly ContextRef[];
  /** For repairs: the version text seen stored under a ref, which a put may replace whatever its order. */
  replacing?: ReadonlyMap<string, string>;
}

export interface PublisherPort {
  build(refs: readonly ContextRef[]): Promise<readonly Build[]>;
  /** Throws when the region's high-water mark is beyond anything this hub ever drew. */
  checkNotAhead(): Promise<void>;
  /** Throws when the region was not published to in this run of the hub's database and remembers what that lacks. */
  checkRun(): Promise<void>;
}

export interface PublishOptions {
  store: Store;
  hub: PublisherPort;
  guard: GuardPort;
  clock: Clock;
  /** Puts in flight at once. */
  putConcurrency: number;
  snapshotAgeMaxMs: number;
  onOutcome(ref: ContextRef, outcome: ContextOutcome, reason?: string): void;
}

export class Publisher {
  readonly #options: PublishOptions;
  readonly #guard: Guard;

  constructor(options: PublishOptions) {
    this.#options = options;
    this.#guard = new Guard(options);
  }

  /** @throws StoreError, RegionAheadError, or what building throws. */
  async publish(request: PublishRequest): Promise<PublishResult> {
    const outcomes = new Map<string, ContextOutcome>();
    if (this.#guard.stops('revokes')) {
      for (const ref of request.refs) this.#note(outcomes, ref, 'frozen');
      return { outcomes, feedNumber: undefined, putAtMs: this.#options.clock.monotonic() };
    }
    const announcements: Announcement[] = [];
    const { failure } = await this.#putAll(request, outcomes, announcements);
    const putAtMs = this.#options.clock.monotonic();
    const feedNumber = announcements.length > 0 ? await this.announce(announcements) : undefined;
    if (failure !== undefined) throw failure;
    return { outcomes, feedNumber, putAtMs };
  }

  /** What of these a sweep must leave as it is, given what it found stored. @throws where that cannot be told now. */
  async judge(
    builds: readonly Build[],
    seen: ReadonlyMap<string, StoredItem>,
  ): Promise<Judgement['withheld']> {
    const { withheld, failure } = await this.#guard.judge(builds, seen);
    if (failure !== undefined) throw failure;
    return withheld;
  }

  /** @throws RegionFrozenError where a freeze stops everything. */
  checkNotFrozen(): void {
    if (this.#guard.stops('revokes')) throw new RegionFrozenError();
  }

  /** A tombstone over something the hub has no head of: over what is older, or the very version text `seen`. */
  async bury(envelope: Envelope, seen: string | undefined): Promise<PutOutcome> {
    if (this.#guard.stops('other')) throw new RegionFrozenError();
    await this.#options.hub.checkRun();
    await this.#raise([envelope]);
    const outcome = await this.#options.store.put(
      envelope,
      seen === undefined ? undefined : { replacing: seen },
    );
    this.#options.onOutcome(envelope, outcome);
    const { kind, key, version } = envelope;
    if (outcome !== 'superseded') await this.announce([{ kind, key, version, tombstone: true }]);
    return outcome;
  }

  announce(announcements: readonly Announcement[]): Promise<number> {
    return this.#options.store.announce(announcements, this.#options.clock.now());
  }

  async #putAll(
    request: PublishRequest,
    outcomes: Map<string, ContextOutcome>,
    announcements: Announcement[],
  ): Promise<{ failure: unknown }> {
    let refs = request.refs;
    for (;;) {
      const built = await this.#build(refs, request.replacing, outcomes);
      const { live, gone } = built;
      await this.#raise([...live, ...gone].flat());
      const late: ContextRef[] = [];
      let failure: unknown;
      for (const groups of [live, gone]) {
        const put = await this.#put(groups, built, request.replacing, outcomes, announcements);
        late.push(...put.late);
        failure ??= put.failure;
      }
      failure ??= built.failure;
      if (late.length === 0 || failure !== undefined) return { failure };
      refs = late;
    }
  }

  /** Builds, validates and judges. Notes what is left out; returns the rest in the order in which it is to be put. */
  async #build(
    refs: readonly ContextRef[],
    replacing: PublishRequest['replacing'],
    outcomes: Map<string, ContextOutcome>,
  ): Promise<Built> {
    const builtAt = momentOf(this.#options.clock);
    const [builds] = await Promise.all([this.#options.hub.build(refs), this.#options.hub.checkRun()]);
    const { withheld, unjudged, failure } = await this.#guard.judge(builds, undefined, replacing);
    const live: Envelope[] = [];
    const gone: Envelope[] = [];
    const revoking = new Set<Envelope>();
    for (const build of builds) {
      const { ref } = build;
      const invalid = invalidReason(build);
      if (invalid !== undefined) this.#note(outcomes, ref, 'quarantined', invalid);
      const why = withheld.get(refText(ref));
      if (why) this.#note(outcomes, ref, why.outcome, why.outcome === 'held' ? why.reason : undefined);
      else if (build.state === 'unknown') this.#note(outcomes, ref, 'unknown');
      else if (build.state !== 'invalid' && !unjudged.has(refText(ref))) {
        (build.state === 'live' ? live : gone).push(build.envelope);
        if (putOf(build) === 'revokes') revoking.add(build.envelope);
      }
    }
    return {
      ...{ live: groupedByKind(live), gone: groupedByKind(gone).reverse() },
      ...{ revoking, builtAt, failure },
    };
  }

  /**
   * Asks the region each time and remembers nothing: a hub may be restored under a publisher that goes on running,
   * and a table may be made anew.
   */
  async #raise(envelopes: readonly Envelope[]): Promise<void> {
    const highest = envelopes.map(({ version }) => version).reduce(higher, '' as VersionText);
    if (highest === '') return;
    const outcome = await this.#options.store.raiseHighWater(highest);
    // Something newer was published before, or the hub was restored and the region remembers more.
    if (outcome === 'already-higher') await this.#options.hub.checkNotAhead();
  }

  /** Group by group, each group's puts side by side. `late` are those whose snapshot grew too old to be put. */
  async #put(
    groups: readonly Envelope[][],
    { builtAt, revoking }: Built,
    replacing: PublishRequest['replacing'],
    outcomes: Map<string, ContextOutcome>,
    announcements: Announcement[],
  ): Promise<{ late: ContextRef[]; failure: unknown }> {
    const { store, clock, putConcurrency, snapshotAgeMaxMs } = this.#options;
    const late: ContextRef[] = [];
    let failure: unknown;
    for (const group of groups) {
      const results = await settleBounded(group, putConcurrency, async (envelope) => {
        if (ageMsOf(builtAt, clock) > snapshotAgeMaxMs) return 'late';
        if (this.#guard.stops(revoking.has(envelope) ? 'revokes' : 'other')) return 'frozen';
        const seen = replacing?.get(refText(envelope));
        return store.put(envelope, seen === undefined ? undefined : { replacing: seen });
      });
      for (const [at, result] of results.entries()) {
        const { kind, key, version, bodyText } = group[at]!;
        if (result.status === 'rejected') failure ??= result.reason;
        else if (result.value === 'late') late.push({ kind, key });
        else {
          this.#note(outcomes, { kind, key }, result.value);
          if (result.value !== 'superseded' && result.value !== 'frozen')
            announcements.push({ kind, key, version, tombstone: bodyText === null });
        }
      }
      if (failure !== undefined) break; // what points at a missing thing must not overtake it
    }
    return { late, failure };
  }

  #note(
    outcomes: Map<string, ContextOutcome>,
    ref: ContextRef,
    outcome: ContextOutcome,
    reason?: string,
  ): void {
    outcomes.set(refText(ref), outcome);
    this.#options.onOutcome(ref, outcome, reason);
  }
}

interface Built {
  /** Group by group, in the order of putting. */
  live: Envelope[][];
  gone: Envelope[][];
  /** Those that a freeze which excepts revocations lets through. */
  revoking: ReadonlySet<Envelope>;
  builtAt: Moment;
  /** Why some could not be judged; the others go on. */
  failure: unknown;
}

function higher(a: VersionText, b: VersionText): VersionText {
  return b > a ? b : a;
}

/** One group a kind, in the registry's order, without empty ones. */
function groupedByKind(envelopes: readonly Envelope[]): Envelope[][] {
  return kindNames
    .map((kind) => envelopes.filter((envelope) => envelope.kind === kind))
    .filter((group) => group.length > 0);
}
