import { assert } from '../../contexts/base/assert.ts';
import type { Clock } from '../../contexts/base/clock.ts';
import { jittered, type Random } from '../../contexts/base/random.ts';
import type { Content } from '../../contexts/envelope.ts';
import type { ContextRef, KindName } from '../../contexts/kinds/index.ts';
import type { VersionText } from '../../contexts/revision.ts';
import type { Announcement, Identity, Store } from '../../contexts/store.ts';
import { Entries, type Entry, type NegativeEntry } from './entries.ts';
import { type Conclusion, Fills } from './fills.ts';
import { Flight } from './flight.ts';
import { type Change, type Holding, holdingOf, type Restored } from './holding.ts';
import { type Inspection, inspectEntry, inspectHolding } from './inspection.ts';
import { judge, newest, type PrepareOutcome } from './judge.ts';
import type { KnownKeys } from './known-keys.ts';
import {
  type AnnounceOutcome,
  type Answer,
  absentFilled,
  absentHit,
  asCoalesced,
  type FillOutcome,
  failed,
  type Lookup,
  type LookupOutcome,
} from './outcomes.ts';
import { PresentEntry } from './present-entry.ts';
import { Reserve, type Restorable } from './reserve.ts';
import { type CacheSettings, checkCacheSettings, type LaneName } from './settings.ts';
import { SuspectWalk } from './suspects.ts';
import { TokenBucket } from './token-bucket.ts';

/** What the cache tells as it goes. None of these may throw. */
export interface CacheEvents {
  lookedUp(kind: KindName, outcome: LookupOutcome): void;
  filled(kind: KindName, outcome: FillOutcome): void;
  announced(kind: KindName, outcome: AnnounceOutcome): void;
  undecodable(ref: string, reason: string): void;
  storeFailed(error: unknown): void;
  /** A read saw another incarnation than the pinned one, or no identity at all. */
  otherTable(identity: Identity | undefined): void;
  /** A fill changed what is held. */
  changed?(change: Change): void;
}

/** Who asks: a `caller`, with a key that anyone may make up, or a `reference` out of a context held here. */
export type Origin = 'caller' | 'reference';

export interface LoadingCacheOptions<Values extends Record<KindName, object>> {
  settings: CacheSettings;
  store: Pick<Store, 'read'>;
  clock: Clock;
  random: Random;
  events: CacheEvents;
  prepare: { [Kind in KindName]: (content: Content<Kind>) => PrepareOutcome<Values[Kind]> };
  /** Whether a table with that identity is this gateway's. */
  owns(identity: Identity): boolean;
  /** Whether bodies are kept with what was made of them, for snapshots. */
  bodies?: 'kept' | 'dropped';
  /** What there is to be read. Without it no key that a caller names is known before it was read. */
  known?: KnownKeys | undefined;
}

/**
 * The loading cache: what a gateway knows of its region's store.
 *
 * It trades freshness, which the feed bounds, for answers without a wait: what is held is served at once and mended
 * behind the caller's back, for as long as it takes (law 7).
 *
 * The cache is *closed* until `pin` names the incarnation whose absences count (the feed's position has to be
 * fixed by then: an announcement made after it will be heard, so a fill begun after it can be trusted); then it
 * is *open*; `stop` makes it *stopped* for good. Only an open cache reads the store.
 *
 * A key is held or not, and in flight or not. Held, it is present or negative, and each of those is
 *
 * - *fresh*, until its refresh is due;
 * - *superseded*, from an announcement of something newer until that is read. A present one is served meanwhile.
 *   A negative one is not: who asks waits for the read, because by now it is known to be wrong;
 * - *suspect*, from `suspectAll` until it was read again. Served meanwhile, present or negative;
 * - *restored* from a snapshot, until it was read again: suspect, and if it is `aged`, served only where the store
 *   cannot be asked. Who asks for it waits for the read.
 *
 * Nothing leaves but by eviction: a failure never removes or replaces a value.
 */
export class LoadingCache<Values extends Record<KindName, object>> implements AsyncDisposable {
  readonly #settings: CacheSettings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #events: CacheEvents;
  readonly #keepsBodies: boolean;
  readonly #prepare: (content: Content) => PrepareOutcome;
  readonly #entries: Entries;
  /** Held as well, and not made ready yet. No key is in both. */
  readonly #reserve = new Reserve();
  readonly #fills: Fills;
  readonly #known: KnownKeys | undefined;
  readonly #unknown: TokenBucket;
  /** For keys that a census found: they cost nothing where they are there, and no more than this where they are not. */
  readonly #mistaken: TokenBucket;
  readonly #walk: SuspectWalk;
  #state: 'closed' | 'open' | 'stopped' = 'closed';
  /** Set exactly while open. */
  #pinned: string | undefined;

  constructor(options: LoadingCacheOptions<Values>) {
    checkCacheSettings(options.settings);
    const { settings, store, clock, random, events, owns } = options;
    this.#settings = settings;
    this.#clock = clock;
    this.#random = random;
    this.#events = events;
    this.#keepsBodies = options.bodies === 'kept';
    this.#prepare = (content) => options.prepare[content.kind](content as never);
    const { entriesMax, bytesMax, negativesMax } = settings;
    this.#entries = new Entries({
      entriesMax,
      bytesMax,
      negativesMax,
      onEvicted: (ref) => this.#walk.drop(ref),
    });
    this.#known = options.known;
    const budget = { perSecond: settings.unknownPerSecond, burst: settings.unknownBurst, clock };
    this.#unknown = new TokenBucket(budget);
    this.#mistaken = new TokenBucket(budget);
    this.#fills = new Fills({
      settings,
      store,
      clock,
      random,
      owns,
      answered: (identity) => {
        if (this.#state === 'open' && identity?.incarnation !== this.#pinned) events.otherTable(identity);
      },
      storeFailed: (error) => events.storeFailed(error),
      judge: (flight, item, identity) => {
        const { floor, floorIs } = flight;
        const held = this.#peek(flight.ref);
        return judge({ item, identity, pinned: this.#pinned, held, floor, floorIs }, this.#prepare);
      },
      repeated: (flight, conclusion) => events.filled(flight.kind, fillOutcome(conclusion)),
      conclude: (flight, conclusion) => this.#conclude(flight, conclusion),
    });
    this.#walk = new SuspectWalk({
      clock,
      random,
      everyMs: settings.walkEveryMs,
      backoffMaxMs: settings.retryMs * 10,
      revalidate: (ref) => this.#revalidate(ref),
      onError: (error) => events.storeFailed(error),
    });
  }

  /**
   * What is known of the context: at once if it is held, else a promise of what the store says. The promise never
   * rejects, and resolves after `waitMs` at the latest.
   */
  get<Kind extends KindName>(
    kind: Kind,
    key: string,
    origin: Origin = 'caller',
    now = this.#clock.monotonic(),
  ): Answer<Values[Kind]> {
    const present = this.#entries.present(kind, key) as PresentEntry<Values[Kind]> | undefined;
    if (present?.isFresh(now)) {
      this.used(present, now);
      return present.hit;
    }
    const ref = `${kind}/${key}`;
    if (present === undefined && this.#thaw(ref)) return this.get(kind, key, origin);
    const answer =
      present === undefined
        ? (this.#negativeAnswer(ref, now) ?? this.#load(ref, kind, key, origin))
        : this.#staleAnswer(ref, present, now);
    if (answer instanceof Promise) {
      return answer.then((lookup) => {
        this.#events.lookedUp(kind, lookup.outcome);
        return lookup;
      }) as Promise<Lookup<Values[Kind]>>;
    }
    this.#events.lookedUp(kind, answer.outcome);
    return answer as Lookup<Values[Kind]>;
  }

  /** The entry that {@link get} would tell of, if that is fresh. Who goes by it tells so with {@link used}. */
  fresh<Kind extends KindName>(kind: Kind, key: string, now: number): PresentEntry<Values[Kind]> | undefined {
    const present = this.#entries.present(kind, key) as PresentEntry<Values[Kind]> | undefined;
    return present?.isFresh(now) ? present : undefined;
  }

  /** A fresh entry is gone by now, as by a look-up. */
  used(fresh: PresentEntry, now: number): void {
    this.#events.lookedUp(fresh.kind, 'hit');
    if (now < fresh.quietUntil) return;
    if (now >= fresh.touchAt) this.#entries.touch(fresh, now);
    if (now >= fresh.refreshAt) this.#refresh(fresh.ref, fresh, now);
    fresh.settle();
  }

  #staleAnswer(ref: string, present: PresentEntry, now: number): Answer<unknown> {
    if (now >= present.touchAt) this.#entries.touch(present, now);
    const answer = { ...present.hit, outcome: present.restored ? 'snapshot' : 'stale' } as const;
    if (now < present.refreshAt) return answer;
    if (present.restored === 'aged' && this.#canAsk) return this.#askFirst(ref, present, answer);
    this.#refresh(ref, present, now);
    return answer;
  }

  /** Tells what is held only where the store does not say better. */
  #askFirst(ref: string, held: Entry, answer: Lookup<unknown>): Answer<unknown> {
    if (!this.#fills.hasRoomToWait) return answer;
    const joined = this.#fills.find(ref);
    if (joined === undefined && !this.#fills.hasRoom('cold')) return answer;
    const flight = joined ?? this.#start({ ref, kind: held.kind, key: held.key }, 'cold');
    this.#fills.hurry(flight, 'cold');
    return this.#fills
      .wait(flight)
      .then((lookup) => (lookup.state === 'failed' && this.#peek(ref) === held ? answer : lookup));
  }

  get #canAsk(): boolean {
    return this.#state === 'open' && this.#fills.stats().failures === 0;
  }

  #negativeAnswer(ref: string, now: number): Answer<unknown> | undefined {
    const negative = this.#entries.negative(ref);
    if (negative === undefined) return undefined;
    if (negative.why === 'undecodable') return now < negative.refreshAt ? failed.undecodable : undefined;
    if (negative.floor !== undefined) return undefined;
    const answer = absentHit[negative.why];
    if (now < negative.refreshAt) return answer;
    if (negative.restored === 'aged' && this.#canAsk) return this.#askFirst(ref, negative, answer);
    this.#refresh(ref, negative, now);
    return answer;
  }

  /** Joins the key's flight, or starts one. */
  #load(ref: string, kind: KindName, key: string, origin: Origin): Answer<unknown> {
    if (this.#state !== 'open') return failed.unavailable;
    if (!this.#fills.hasRoomToWait) return failed.overloaded;
    const isNamed = origin === 'reference';
    const lane = isNamed || this.#known?.tells(ref) === 'known' ? 'cold' : 'unknown';
    const joined = this.#fills.find(ref);
    if (joined !== undefined) {
      this.#fills.hurry(joined, lane);
      return this.#fills.wait(joined).then(asCoalesced);
    }
    if (!this.#fills.hasRoom(lane)) return failed.overloaded;
    const budget = isNamed ? undefined : lane === 'cold' ? this.#mistaken : this.#unknown;
    if (budget?.take() === false) return failed.overloaded;
    return this.#fills.wait(this.#start({ ref, kind, key }, lane, budget));
  }

  /** Starts a read behind the caller's back. Where there is no room, the entry asks again after `retryMs`. */
  #refresh(ref: string, entry: Entry, now: number): void {
    entry.refreshAt = now + jittered(this.#random, this.#settings.retryMs, 0.3);
    if (this.#state !== 'open' || this.#fills.find(ref)) return;
    // Negatives are what a flood leaves behind: reading them again is paid from the budget of unknown keys.
    const [lane, budget] = entry.negative
      ? (['unknown', this.#unknown] as const)
      : (['background', undefined] as const);
    if (!this.#fills.hasRoom(lane) || budget?.take() === false) return;
    this.#start({ ref, kind: entry.kind, key: entry.key }, lane, budget);
    entry.refreshAt = Number.POSITIVE_INFINITY;
  }

  #start(named: ContextRef & { ref: string }, lane: LaneName, charged?: TokenBucket): Flight {
    assert(this.#state === 'open', 'only an open cache reads the store');
    // What was announced from a table that is no more may never come to be in the one that took its place.
    const held = this.#peek(named.ref);
    const floor = held?.floorOf === this.#pinned ? held?.floor : undefined;
    return this.#fills.start(new Flight({ ...named, lane, charged, floor }));
  }

  // ------------------------------------------------------------------------------------------------- keeping

  /** Keeps what a flight brought. Whatever it brought no answer to stays as it is and asks again later. */
  #conclude(flight: Flight, conclusion: Conclusion): Lookup<unknown> {
    const lookup = this.#keep(flight, conclusion);
    if (lookup.state === 'failed') {
      const held = this.#peek(flight.ref);
      if (held)
        held.refreshAt = this.#clock.monotonic() + jittered(this.#random, this.#settings.retryMs, 0.3);
    }
    if (lookup.state === 'present') flight.charged?.refund();
    const held = this.#peek(flight.ref);
    if (held && needsReading(held)) this.#walk.add(flight.ref);
    else this.#walk.drop(flight.ref);
    this.#events.filled(flight.kind, fillOutcome(conclusion));
    return lookup;
  }

  #keep(flight: Flight, conclusion: Conclusion): Lookup<unknown> {
    const { ref } = flight;
    const suspect = this.#fills.isOutdated(flight);
    switch (conclusion.verdict) {
      case 'live': {
        const { version, value } = conclusion;
        const held = this.#peek(ref);
        this.#present(flight, conclusion, { suspect });
        if (held?.version !== version || held.negative) this.#changed(ref, held);
        return { state: 'present', outcome: 'filled', value, version };
      }
      case 'gone': {
        const held = this.#peek(ref);
        const news =
          held === undefined || !held.negative || held.version !== conclusion.version || held.floor;
        this.#bury(flight, { why: conclusion.why, version: conclusion.version, floor: undefined, suspect });
        if (news) this.#changed(ref, held);
        return absentFilled[conclusion.why];
      }
      case 'undecodable': {
        this.#events.undecodable(ref, conclusion.reason);
        const held = this.#peek(ref);
        // What was good stays. An absence is contradicted by there being something, readable or not.
        const good =
          held !== undefined && (!held.negative || (held.why === 'tombstone' && held.floor === undefined));
        if (!good)
          this.#bury(flight, {
            why: 'undecodable',
            version: held?.version,
            floor: held?.floor,
            floorOf: held?.floorOf,
            suspect: false,
          });
        return failed.undecodable;
      }
      default:
        return failed[conclusion.verdict];
    }
  }

  #present(
    named: ContextRef & { ref: string },
    read: { key: string; version: VersionText; value: unknown; bytes: number; bodyText: string | null },
    state: {
      suspect: boolean;
      floor?: VersionText | undefined;
      floorOf?: string | undefined;
      restored?: Restored;
    },
  ): void {
    const { kind } = named;
    // The key's text is the one that its value has: a look-up has one less to fetch.
    const { key, version, value } = read;
    const { suspect, floor, floorOf, restored } = state;
    const { freshMs, refreshMs, staleMs } = this.#settings;
    const now = this.#clock.monotonic();
    const bodyText = (this.#keepsBodies ? read.bodyText : undefined) ?? undefined;
    const doubtful = suspect || floor !== undefined;
    this.#known?.add(named.ref);
    const made = new PresentEntry({
      ...{ kind, key, ref: named.ref, touchAt: now, learntAt: now },
      ...{ version, value, bodyText, floor, floorOf, suspect, restored },
      bytes: read.bytes + (bodyText?.length ?? 0),
      refreshAt: doubtful ? 0 : now + freshMs + this.#random.fraction() * (refreshMs - freshMs),
      staleAt: doubtful ? 0 : now + staleMs,
    });
    this.#entries.put(named.ref, made);
  }

  /** Tells of what is held now of a key, and whether anything was before. */
  #changed(ref: string, before: Entry | undefined): void {
    const { changed } = this.#events;
    const entry = changed && this.#peek(ref);
    if (!entry) return;
    const replaces = before === undefined ? 'nothing' : 'something';
    const holding = holdingOf(entry);
    const { kind, key, version } = entry;
    changed(holding ? { is: 'held', holding, replaces } : { is: 'absent', kind, key, version, replaces });
  }

  #bury(
    named: ContextRef & { ref: string },
    state: {
      why: NegativeEntry['why'];
      version: VersionText | undefined;
      floor: VersionText | undefined;
      floorOf?: string | undefined;
      suspect: boolean;
      restored?: Restored;
      announced?: boolean;
    },
  ): void {
    const learntAt = this.#clock.monotonic();
    const refreshAt = state.suspect ? 0 : learntAt + jittered(this.#random, this.#settings.absentMs, 0.2);
    const { kind, key } = named;
    const doubts = { floorOf: undefined, restored: undefined, learntAt };
    this.#entries.put(named.ref, {
      kind,
      key,
      negative: true,
      ...doubts,
      announced: false,
      ...state,
      refreshAt,
    });
  }

  // ------------------------------------------------------------------------------------------------- hearing

  /** Applies one announcement. Announcements come in the feed's order; hearing one twice does no harm. */
  announced(announcement: Announcement): AnnounceOutcome {
    const { kind, key } = announcement;
    const ref = `${kind}/${key}`;
    const held = this.#peek(ref);
    const flight = this.#fills.find(ref);
    if (!announcement.tombstone) this.#known?.add(ref);
    // A key that is neither held nor read needs nothing: whoever reads it later reads what was announced, or newer.
    const concerns = held !== undefined || flight !== undefined;
    const hear = announcement.tombstone ? this.#hearTombstone : this.#hearLive;
    const outcome = concerns
      ? hear.call(this, { ref, kind, key }, announcement.version, held, flight)
      : 'ignored';
    this.#events.announced(kind, outcome);
    return outcome;
  }

  /** A tombstone needs no reading: it is in force from here on. */
  #hearTombstone(
    named: ContextRef & { ref: string },
    version: VersionText,
    held: Entry | undefined,
    flight: Flight | undefined,
  ): AnnounceOutcome {
    const heard = newest(held?.version, newest(held?.floor, flight?.floor));
    if (heard !== undefined && version <= heard) return 'known';
    this.#bury(named, { why: 'tombstone', version, floor: undefined, suspect: false, announced: true });
    this.#walk.drop(named.ref);
    if (flight !== undefined) {
      flight.raiseFloor(version, 'tombstone');
      this.#fills.answer(flight, absentFilled.tombstone);
    }
    return 'tombstoned';
  }

  #hearLive(
    named: ContextRef & { ref: string },
    version: VersionText,
    held: Entry | undefined,
    flight: Flight | undefined,
  ): AnnounceOutcome {
    if (held?.version !== undefined) {
      // An absence remembers the version that vanished; that very version may come back by a repair.
      const absence = held.negative && held.why !== 'tombstone';
      if (absence ? version < held.version : version <= held.version) return 'known';
    }
    if (held !== undefined) {
      held.floor = newest(held.floor, version);
      held.floorOf = this.#pinned;
      held.refreshAt = 0;
      if (!held.negative) held.staleAt = 0;
    }
    if (flight !== undefined) {
      flight.raiseFloor(version, 'live');
      this.#fills.hurry(flight, 'announced');
    } else if (this.#state === 'open' && this.#fills.hasRoom('announced')) {
      this.#start(named, 'announced').raiseFloor(version, 'live');
      if (held !== undefined) held.refreshAt = whileReading(held);
    } else {
      this.#walk.add(named.ref);
    }
    return 'superseded';
  }

  /** Opens the cache. An incarnation other than the one so far makes everything held suspect. */
  pin(incarnation: string): void {
    assert(this.#state !== 'stopped', 'a stopped cache is not opened again');
    if (this.#pinned !== undefined && this.#pinned !== incarnation) this.suspectAll();
    this.#pinned = incarnation;
    if (this.#state === 'closed') {
      for (const ref of this.#reserve.refs()) this.#walk.add(ref);
      this.#walk.start();
    }
    this.#state = 'open';
  }

  /** Announcements may have been missed: everything held is served on, and read again at the bounded rate. */
  suspectAll(): void {
    this.#fills.nextEpoch();
    this.#reserve.age();
    this.#known?.doubt();
    for (const [ref, entry] of this.#entries.all()) {
      entry.suspect = true;
      if (entry.restored) entry.restored = 'aged';
      entry.refreshAt = 0;
      if (!entry.negative) entry.staleAt = 0;
      this.#walk.add(ref);
    }
  }

  /**
   * Whether what is served for that key may be older than what was announced for it. An absence that something was
   * announced for is not served: whoever asks waits for the read.
   */
  owes(ref: string): boolean {
    const held = this.#entries.peek(ref);
    if (held === undefined) return this.#reserve.has(ref);
    return held.suspect || (held.floor !== undefined && !held.negative);
  }

  /** The keys held, by `refText`. */
  *held(): Iterable<string> {
    for (const [ref] of this.#entries.all()) yield ref;
    yield* this.#reserve.refs();
  }

  // ----------------------------------------------------------------------------------------------- outliving

  /** What is held, least recently used first: a copy of the names, because what is held goes on changing. */
  refs(): string[] {
    return [...this.#reserve.refs(), ...this.#entries.refs()];
  }

  /** What is held of one of them now, for a later process; undefined where it is worth nothing to one. */
  holding(ref: string): Holding | undefined {
    const entry = this.#entries.peek(ref);
    return entry ? holdingOf(entry) : this.#reserve.peek(ref);
  }

  /** Takes up what an earlier process held, before anything else is held. Returns how many contexts that is. */
  restore(restorable: Restorable): number {
    assert(this.#state === 'closed' && this.#entries.presentCount === 0, 'only an empty cache is restored');
    return this.#reserve.fill(restorable, this.#settings);
  }

  /** Holds what was read past the fills, unless something newer is known. */
  hold(holding: Holding): 'held' | 'known' | 'undecodable' {
    const ref = `${holding.kind}/${holding.key}`;
    const known = this.#peek(ref);
    const bound = newest(known?.version, known?.floor);
    if (this.#fills.find(ref) || (bound !== undefined && holding.version <= bound)) return 'known';
    const outcome = this.#hold(ref, holding, {});
    if (outcome === 'held') this.#changed(ref, known);
    return outcome;
  }

  #hold(
    ref: string,
    holding: Holding,
    state: { restored?: Restored; floorOf?: string | undefined },
  ): 'held' | 'undecodable' {
    const { kind, key, version, bodyText, floor, suspect } = holding;
    const named = { ref, kind, key };
    const doubts = { floor, suspect, ...state };
    if (bodyText === null) this.#bury(named, { why: 'tombstone', version, ...doubts });
    else {
      const prepared = this.#prepare(holding);
      if (prepared.outcome !== 'live') return 'undecodable';
      this.#present(named, { key, version, bodyText, ...prepared }, doubts);
    }
    if (suspect || floor !== undefined) this.#walk.add(ref);
    return 'held';
  }

  #peek(ref: string): Entry | undefined {
    return this.#entries.peek(ref) ?? (this.#thaw(ref) ? this.#entries.peek(ref) : undefined);
  }

  /** Makes what was restored ready, if there is such a one. */
  #thaw(ref: string): boolean {
    const taken = this.#reserve.take(ref);
    if (taken === undefined) return false;
    const { holding, worth, incarnation } = taken;
    const state = { restored: worth, floorOf: incarnation };
    if (this.#hold(ref, { ...holding, suspect: true }, state) === 'held') return true;
    this.#events.undecodable(ref, 'as an earlier process kept it');
    this.#walk.drop(ref);
    return false;
  }

  /** For the walk over suspects. */
  #revalidate(ref: string): Promise<boolean> | 'full' {
    const held = this.#peek(ref);
    if (held === undefined || !needsReading(held)) return Promise.resolve(true);
    let flight = this.#fills.find(ref);
    if (flight === undefined) {
      if (this.#state !== 'open' || !this.#fills.hasRoom('background')) return 'full';
      flight = this.#start({ ref, kind: held.kind, key: held.key }, 'background');
      held.refreshAt = whileReading(held);
    }
    return flight.settled.then(() => {
      const after = this.#peek(ref);
      return after === undefined || !needsReading(after);
    });
  }

  /** What is known of a context now, without reading it, making it ready or counting it as used. */
  inspect<Kind extends KindName>(kind: Kind, key: string): Inspection<Values[Kind]> {
    const ref = `${kind}/${key}`;
    const now = this.#clock.monotonic();
    const at = { now, canAsk: this.#canAsk, isOpen: this.#state === 'open', flight: this.#fills.find(ref) };
    const entry = this.#entries.peek(ref);
    const reserved = entry ? undefined : this.#reserve.look(ref);
    const inspection = reserved
      ? inspectHolding(reserved.holding, reserved.worth, this.#prepare, at)
      : inspectEntry(entry, at);
    const census = entry || reserved ? 'known' : this.#known?.tells(ref);
    return { ...inspection, census: census ?? 'untold' } as Inspection<Values[Kind]>;
  }

  /** Numbers for metrics and readiness. */
  stats() {
    const { negativeCount: negatives } = this.#entries;
    const entries = this.#entries.presentCount + this.#reserve.size;
    const bytes = this.#entries.presentBytes + this.#reserve.bytes;
    const walk = { suspects: this.#walk.size, walkAgeMs: this.#walk.ageMs };
    return { state: this.#state, entries, bytes, negatives, ...walk, ...this.#fills.stats() };
  }

  /** Answers whoever waits with `unavailable`, starts nothing more, and waits for the reads under way. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#state = 'stopped';
    this.#pinned = undefined;
    await this.#fills.stop();
    await this.#walk[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** While a read is under way nobody starts another; but who asks for what is aged waits for the one. */
function whileReading(entry: Entry): number {
  return entry.restored === 'aged' ? 0 : Number.POSITIVE_INFINITY;
}

/** Whether the store is to be asked again, requested or not. */
function needsReading(entry: Entry): boolean {
  return entry.suspect || entry.floor !== undefined;
}

function fillOutcome({ verdict, ...rest }: Conclusion): FillOutcome {
  if (verdict === 'live') return 'stored';
  if (verdict === 'gone') return 'why' in rest && rest.why === 'tombstone' ? 'tombstone' : 'absent';
  return verdict;
}
