import { assert } from '../../contexts/base/assert.ts';
import type { Clock } from '../../contexts/base/clock.ts';
import { jittered, type Random } from '../../contexts/base/random.ts';
import type { Envelope } from '../../contexts/envelope.ts';
import type { ContextRef, KindName } from '../../contexts/kinds/index.ts';
import type { VersionText } from '../../contexts/revision.ts';
import type { Announcement, Identity, Store } from '../../contexts/store.ts';
import { Entries, type Entry, type NegativeEntry, type PresentEntry } from './entries.ts';
import { type Conclusion, Fills } from './fills.ts';
import { Flight } from './flight.ts';
import { judge, newest, type PrepareOutcome } from './judge.ts';
import {
  type AnnounceOutcome,
  absentFilled,
  absentHit,
  asCoalesced,
  type FillOutcome,
  failed,
  type Lookup,
  type LookupOutcome,
} from './outcomes.ts';
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
}

/** Who asks: a `caller`, with a key that anyone may make up, or a `reference` out of a context held here. */
export type Origin = 'caller' | 'reference';

export interface LoadingCacheOptions<Values extends Record<KindName, object>> {
  settings: CacheSettings;
  store: Pick<Store, 'read'>;
  clock: Clock;
  random: Random;
  events: CacheEvents;
  prepare: { [Kind in KindName]: (envelope: Envelope<Kind>) => PrepareOutcome<Values[Kind]> };
  /** Whether a table with that identity is this gateway's. */
  owns(identity: Identity): boolean;
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
 * - *suspect*, from `suspectAll` until it was read again. Served meanwhile, present or negative.
 *
 * Nothing leaves but by eviction: a failure never removes or replaces a value.
 */
export class LoadingCache<Values extends Record<KindName, object>> implements AsyncDisposable {
  readonly #settings: CacheSettings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #events: CacheEvents;
  readonly #prepare: (envelope: Envelope) => PrepareOutcome;
  readonly #entries: Entries;
  readonly #fills: Fills;
  readonly #unknown: TokenBucket;
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
    this.#prepare = (envelope) => options.prepare[envelope.kind](envelope as never);
    const { entriesMax, bytesMax, negativesMax } = settings;
    this.#entries = new Entries({
      entriesMax,
      bytesMax,
      negativesMax,
      onEvicted: (ref) => this.#walk.drop(ref),
    });
    this.#unknown = new TokenBucket({
      perSecond: settings.unknownPerSecond,
      burst: settings.unknownBurst,
      clock,
    });
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
        const held = this.#entries.peek(flight.ref);
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
  ): Lookup<Values[Kind]> | Promise<Lookup<Values[Kind]>> {
    const present = this.#entries.present(kind, key) as PresentEntry<Values[Kind]> | undefined;
    if (present !== undefined) {
      const now = this.#clock.monotonic();
      if (now >= present.touchAt) this.#entries.touch(present, now);
      if (now >= present.refreshAt) this.#refresh(present.ref, present, now);
      const fresh = now < present.freshUntil;
      this.#events.lookedUp(kind, fresh ? 'hit' : 'stale');
      return fresh ? present.hit : { ...present.hit, outcome: 'stale' };
    }
    const ref = `${kind}/${key}`;
    const answer = this.#negativeAnswer(ref) ?? this.#load(ref, kind, key, origin);
    if (answer instanceof Promise) {
      return answer.then((lookup) => {
        this.#events.lookedUp(kind, lookup.outcome);
        return lookup;
      }) as Promise<Lookup<Values[Kind]>>;
    }
    this.#events.lookedUp(kind, answer.outcome);
    return answer as Lookup<Values[Kind]>;
  }

  #negativeAnswer(ref: string): Lookup<unknown> | undefined {
    const negative = this.#entries.negative(ref);
    if (negative === undefined) return undefined;
    const now = this.#clock.monotonic();
    if (negative.why === 'undecodable') return now < negative.refreshAt ? failed.undecodable : undefined;
    if (negative.floor !== undefined) return undefined;
    if (now >= negative.refreshAt) this.#refresh(ref, negative, now);
    return absentHit[negative.why];
  }

  /** Joins the key's flight, or starts one. */
  #load(
    ref: string,
    kind: KindName,
    key: string,
    origin: Origin,
  ): Lookup<unknown> | Promise<Lookup<unknown>> {
    if (this.#state !== 'open') return failed.unavailable;
    if (!this.#fills.hasRoomToWait) return failed.overloaded;
    const joined = this.#fills.find(ref);
    if (joined !== undefined) {
      this.#fills.hurry(joined, 'cold');
      return this.#fills.wait(joined).then(asCoalesced);
    }
    if (!this.#fills.hasRoom('cold')) return failed.overloaded;
    const charged = origin === 'caller';
    if (charged && !this.#unknown.take()) return failed.overloaded;
    return this.#fills.wait(this.#start({ ref, kind, key }, 'cold', charged));
  }

  /** Starts a read behind the caller's back. Where there is no room, the entry asks again after `retryMs`. */
  #refresh(ref: string, entry: Entry, now: number): void {
    entry.refreshAt = now + jittered(this.#random, this.#settings.retryMs, 0.3);
    if (this.#state !== 'open' || this.#fills.find(ref)) return;
    // Negatives are what a flood leaves behind: reading them again is paid from the budget of unknown keys.
    const lane: LaneName = entry.negative ? 'cold' : 'background';
    if (!this.#fills.hasRoom(lane) || (entry.negative && !this.#unknown.take())) return;
    this.#start({ ref, kind: entry.kind, key: entry.key }, lane, entry.negative);
    entry.refreshAt = Number.POSITIVE_INFINITY;
  }

  #start(named: ContextRef & { ref: string }, lane: LaneName, charged: boolean): Flight {
    assert(this.#state === 'open', 'only an open cache reads the store');
    // What was announced from a table that is no more may never come to be in the one that took its place.
    const held = this.#entries.peek(named.ref);
    const floor = held?.floorOf === this.#pinned ? held?.floor : undefined;
    return this.#fills.start(new Flight({ ...named, lane, charged, floor }));
  }

  // ------------------------------------------------------------------------------------------------- keeping

  /** Keeps what a flight brought. Whatever it brought no answer to stays as it is and asks again later. */
  #conclude(flight: Flight, conclusion: Conclusion): Lookup<unknown> {
    const lookup = this.#keep(flight, conclusion);
    if (lookup.state === 'failed') {
      const held = this.#entries.peek(flight.ref);
      if (held)
        held.refreshAt = this.#clock.monotonic() + jittered(this.#random, this.#settings.retryMs, 0.3);
    }
    if (flight.charged && lookup.state === 'present') this.#unknown.refund();
    const held = this.#entries.peek(flight.ref);
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
        const { version, value, bytes } = conclusion;
        const now = this.#clock.monotonic();
        this.#entries.put(ref, {
          kind: flight.kind,
          key: flight.key,
          ref,
          touchAt: now,
          negative: false,
          version,
          bytes,
          hit: { state: 'present', outcome: 'hit', value, version },
          floor: undefined,
          floorOf: undefined,
          suspect,
          refreshAt: suspect ? 0 : now + jittered(this.#random, this.#settings.refreshMs, 0.2),
          freshUntil: suspect ? 0 : now + this.#settings.freshMs,
        });
        return { state: 'present', outcome: 'filled', value, version };
      }
      case 'gone':
        this.#bury(flight, { why: conclusion.why, version: conclusion.version, floor: undefined, suspect });
        return absentFilled[conclusion.why];
      case 'undecodable': {
        this.#events.undecodable(ref, conclusion.reason);
        const held = this.#entries.peek(ref);
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

  #bury(
    named: ContextRef & { ref: string },
    state: {
      why: NegativeEntry['why'];
      version: VersionText | undefined;
      floor: VersionText | undefined;
      floorOf?: string | undefined;
      suspect: boolean;
    },
  ): void {
    const refreshAt = state.suspect
      ? 0
      : this.#clock.monotonic() + jittered(this.#random, this.#settings.absentMs, 0.2);
    const { kind, key } = named;
    this.#entries.put(named.ref, { kind, key, negative: true, floorOf: undefined, ...state, refreshAt });
  }

  // ------------------------------------------------------------------------------------------------- hearing

  /** Applies one announcement. Announcements come in the feed's order; hearing one twice does no harm. */
  announced(announcement: Announcement): AnnounceOutcome {
    const { kind, key } = announcement;
    const ref = `${kind}/${key}`;
    const held = this.#entries.peek(ref);
    const flight = this.#fills.find(ref);
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
    this.#bury(named, { why: 'tombstone', version, floor: undefined, suspect: false });
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
      if (!held.negative) held.freshUntil = 0;
    }
    if (flight !== undefined) {
      flight.raiseFloor(version, 'live');
      this.#fills.hurry(flight, 'announced');
    } else if (this.#state === 'open' && this.#fills.hasRoom('announced')) {
      this.#start(named, 'announced', false).raiseFloor(version, 'live');
      if (held !== undefined) held.refreshAt = Number.POSITIVE_INFINITY;
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
    if (this.#state === 'closed') this.#walk.start();
    this.#state = 'open';
  }

  /** Announcements may have been missed: everything held is served on, and read again at the bounded rate. */
  suspectAll(): void {
    this.#fills.nextEpoch();
    for (const [ref, entry] of this.#entries.all()) {
      entry.suspect = true;
      entry.refreshAt = 0;
      if (!entry.negative) entry.freshUntil = 0;
      this.#walk.add(ref);
    }
  }

  /**
   * Whether what is served for that key may be older than what was announced for it. An absence that something was
   * announced for is not served: whoever asks waits for the read.
   */
  owes(ref: string): boolean {
    const held = this.#entries.peek(ref);
    return held !== undefined && (held.suspect || (held.floor !== undefined && !held.negative));
  }

  /** The keys held, by `refText`. */
  *held(): Iterable<string> {
    for (const [ref] of this.#entries.all()) yield ref;
  }

  /** For the walk over suspects. */
  #revalidate(ref: string): Promise<boolean> | 'full' {
    const held = this.#entries.peek(ref);
    if (held === undefined || !needsReading(held)) return Promise.resolve(true);
    let flight = this.#fills.find(ref);
    if (flight === undefined) {
      if (this.#state !== 'open' || !this.#fills.hasRoom('background')) return 'full';
      flight = this.#start({ ref, kind: held.kind, key: held.key }, 'background', false);
      held.refreshAt = Number.POSITIVE_INFINITY;
    }
    return flight.settled.then(() => {
      const after = this.#entries.peek(ref);
      return after === undefined || !needsReading(after);
    });
  }

  /** Numbers for metrics and readiness. */
  stats() {
    const { presentCount: entries, presentBytes: bytes, negativeCount: negatives } = this.#entries;
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

/** Whether the store is to be asked again, requested or not. */
function needsReading(entry: Entry): boolean {
  return entry.suspect || entry.floor !== undefined;
}

function fillOutcome({ verdict, ...rest }: Conclusion): FillOutcome {
  if (verdict === 'live') return 'stored';
  if (verdict === 'gone') return 'why' in rest && rest.why === 'tombstone' ? 'tombstone' : 'absent';
  return verdict;
}
