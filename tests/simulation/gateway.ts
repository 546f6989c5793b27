import type { Clock } from '../../contexts/base/clock.ts';
import type { Random } from '../../contexts/base/random.ts';
import { type ContextRef, refText } from '../../contexts/kinds/index.ts';
import { decodeVersion, type VersionText } from '../../contexts/revision.ts';
import { type Announcement, type ReadResult, type Store, StoreError } from '../../contexts/store.ts';
import { AppliedFeed } from '../../spoke/applied.ts';
import { Authenticator } from '../../spoke/authenticate.ts';
import { LoadingCache } from '../../spoke/cache/cache.ts';
import type { Lookup } from '../../spoke/cache/outcomes.ts';
import { defaultCacheSettings } from '../../spoke/cache/settings.ts';
import { type FeedListener, FeedTail } from '../../spoke/feed-tail.ts';
import { type PreparedContexts, prepare } from '../../spoke/prepared.ts';
import { SnapshotKeeper } from '../../spoke/snapshot/keeper.ts';
import type { SnapshotShelf } from '../../spoke/snapshot/shelf.ts';
import type { Process } from './faults.ts';
import type { Hazards } from './hazards.ts';
import type { SimulatedRegion } from './region.ts';
import { SimulatedShelf } from './shelf.ts';
import { timing } from './timing.ts';

export interface GatewayParts {
  name: string;
  region: SimulatedRegion;
  clock: Clock;
  random: Random;
  hazards: Hazards;
  pollMs: number;
  /** Whether the region was to hold nothing there at or after the commit that drew the revision. */
  wasGoneSince(ref: ContextRef, revision: number): boolean;
  onViolation(what: string): void;
  onEvent(what: string): void;
  /** Where a planted bug gets in. */
  plant: GatewayPlant;
}

/** What a planted bug may put between the parts of a gateway. `gateway` tells what those parts are doing. */
export interface GatewayPlant {
  store?(store: Store): Store;
  listener?(listener: FeedListener, gateway: SimulatedGateway): FeedListener;
  /** The gateway reports what it has read of the feed as if it were in force. */
  reportsWhatIsRead?: boolean;
  shelf?(shelf: SnapshotShelf): SnapshotShelf;
}

interface Given {
  version: VersionText;
  dead: boolean;
}

/** One gateway: the production tail, cache and authenticator, and a memory of everything it ever answered. */
export class SimulatedGateway {
  readonly #parts: GatewayParts;
  #process: Process;
  #cache!: LoadingCache<PreparedContexts>;
  #tail!: FeedTail;
  #applied!: AppliedFeed;
  #authenticator!: Authenticator;
  #keeper!: SnapshotKeeper;
  readonly #shelf = new SimulatedShelf();
  /** Whether callers are let in: a process that boots from a snapshot waits for its store, for a while. */
  #listens = false;
  /** The newest answer for each context, also from before restarts: the store does not go back either. */
  #given = new Map<string, Given>();
  /** Those of this process alone. */
  #givenHere = new Map<string, Given>();
  /** The last answers, so that only news is told in a trace. */
  readonly #told = new Map<string, string>();
  /** Contexts this process read as absent from a table that was whole. */
  readonly #absentFromWhole = new Set<string>();
  /** What this process was told of and has not read yet: its reads may lag behind that, and must notice. */
  readonly #floors = new Map<string, VersionText>();
  /** Contexts whose last answer was an absence. */
  readonly absent = new Set<string>();
  /** Contexts being read from the store now. */
  readonly reading = new Map<string, number>();

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#process = this.#start();
  }

  get name(): string {
    return this.#parts.name;
  }

  get watermark(): number | undefined {
    return this.#tail.watermark;
  }

  /** Another process takes this one's place, with nothing in memory. */
  restart(): void {
    this.#process.dead = true;
    void this.#tail.stop();
    void this.#cache.stop();
    void this.#keeper.stop();
    // What was taken away behind everybody's back may come back older, for those who have not seen the newer.
    for (const name of this.#parts.region.lost) this.#given.delete(name);
    this.#givenHere.clear();
    this.#absentFromWhole.clear();
    this.#floors.clear();
    this.absent.clear();
    this.reading.clear();
    this.#process = this.#start();
  }

  /** The table is gone, and with it what would have told this process what earlier ones knew. */
  lostTable(): void {
    this.#given = new Map(this.#givenHere);
  }

  async stop(): Promise<void> {
    this.#process.dead = true;
    await Promise.all([this.#tail.stop(), this.#cache.stop(), this.#keeper.stop()]);
  }

  #start(): Process {
    const { name, region, clock, random, hazards, pollMs, onEvent, plant } = this.#parts;
    const process: Process = { name, is: 'gateway', dead: false };
    const mayLag = (ref: ContextRef) => this.#floors.has(refText(ref));
    const opened = this.#watched(region.open(process, mayLag), process);
    const store = plant.store?.(opened) ?? opened;
    let tail: FeedTail;
    const cache = new LoadingCache<PreparedContexts>({
      settings: { ...defaultCacheSettings, retryMs: 200, entriesMax: 100, negativesMax: 100 },
      store,
      clock,
      random,
      prepare,
      owns: () => true,
      bodies: 'kept',
      events: {
        lookedUp: (_kind, outcome) => outcome === 'snapshot' && hazards.met('answer: from a snapshot'),
        changed: (change) => keeper.changed(change),
        filled: (_kind, outcome) => hazards.met(`fill: ${outcome}`),
        announced: (_kind, outcome) => hazards.met(`announcement: ${outcome}`),
        undecodable: () => hazards.met('read: undecodable'),
        storeFailed: (error) => this.#failed(error),
        otherTable: (identity) => identity !== undefined && tail.recheck(),
      },
    });
    const applied = new AppliedFeed({
      announced: (announcement) => {
        const outcome = cache.announced(announcement);
        keeper.heard(announcement, outcome);
        this.#heard(announcement, outcome);
        return outcome;
      },
      suspectAll: () => {
        cache.suspectAll();
        keeper.missed();
      },
      pin: (incarnation) => cache.pin(incarnation),
      owes: (ref) => cache.owes(ref),
      held: () => cache.held(),
    });
    tail = new FeedTail({
      store,
      clock,
      random,
      listener: plant.listener?.(applied, this) ?? applied,
      pollMs,
      readTimeoutMs: defaultCacheSettings.readTimeoutMs,
      owns: () => true,
      onIdentity: (identity) => keeper.identified(identity),
      onStep: (step) => {
        if (step === 'pinned') keeper.pinned();
        if (step === 'idle' || step === 'applied' || step === 'adrift') listen();
        hazards.met(`feed: ${step}`);
        if (step !== 'idle' && step !== 'applied')
          onEvent(`${name}'s tail: ${step}, now at ${tail.watermark}`);
      },
      onError: (error) => {
        listen();
        this.#failed(error);
      },
    });
    const keeper = new SnapshotKeeper({
      ...{
        shelf: plant.shelf?.(this.#shelf.open(process)) ?? this.#shelf.open(process),
        cache,
        clock,
        random,
      },
      position: () => tail.position,
      everyMs: timing.snapshotEveryMs,
      wholeEveryMs: timing.snapshotEveryMs,
      events: { written: () => hazards.met('snapshot: written'), failed: () => {} },
    });
    const listen = () => {
      if (!process.dead) this.#listens = true;
    };
    this.#listens = false;
    this.#keeper = keeper;
    this.#restore(cache, tail, keeper);
    keeper.start();
    clock.timer(timing.bootWaitMs, listen);
    this.#cache = cache;
    this.#tail = tail;
    this.#applied = applied;
    this.#authenticator = new Authenticator({ cache, clock });
    tail.start();
    return process;
  }

  /** As `bootFrom` does. */
  #restore(cache: LoadingCache<PreparedContexts>, tail: FeedTail, keeper: SnapshotKeeper): void {
    const { clock, hazards, onEvent } = this.#parts;
    const loaded = this.#shelf.load();
    if (loaded === undefined) return;
    const ageMs = Math.abs(clock.now() - loaded.mark.atMs);
    if (ageMs > timing.bootAgeMaxMs) {
      hazards.met('boot: too old a snapshot');
      return;
    }
    const worth = ageMs > timing.snapshotFreshMs ? 'aged' : 'recent';
    const { holdings, mark } = loaded;
    hazards.met(`boot: from a snapshot, ${worth}`);
    const count = cache.restore({ holdings, worth, incarnation: mark.position.incarnation });
    onEvent(`${this.name} boots with ${count} contexts as of ${mark.position.number}`);
    tail.resumeFrom(mark.position);
    void keeper.goOnFrom(loaded);
  }

  #failed(error: unknown): void {
    if (!(error instanceof StoreError)) this.#parts.onViolation(`unexpected: in ${this.name}, ${error}`);
  }

  #watched(store: Store, process: Process): Store {
    const read: Store['read'] = async (refs) => {
      const names = refs.map(refText);
      for (const name of names) this.reading.set(name, (this.reading.get(name) ?? 0) + 1);
      try {
        const result = await store.read(refs);
        if (!process.dead) this.#saw(names, result);
        return result;
      } finally {
        for (const name of names) this.reading.set(name, (this.reading.get(name) ?? 1) - 1);
      }
    };
    return { ...store, read };
  }

  #saw(names: readonly string[], { items, identity }: ReadResult): void {
    for (const name of names) {
      const item = items.get(name);
      if (!item && identity?.whole) this.#absentFromWhole.add(name);
      const floor = this.#floors.get(name);
      if (floor && item?.state === 'context' && item.envelope.version >= floor) this.#floors.delete(name);
    }
  }

  #heard(announcement: Announcement, outcome: string): void {
    const name = refText(announcement);
    if (outcome === 'ignored') return;
    this.#parts.onEvent(`${this.name} hears of ${name} at ${short(announcement.version)}: ${outcome}`);
    if (outcome === 'superseded') this.#floors.set(name, announcement.version);
    if (outcome === 'tombstoned') {
      this.#floors.delete(name);
      this.#note(name, announcement.version, true);
    }
  }

  /** Looks up as a request does, and checks the answer when it comes. */
  ask(ref: ContextRef): Lookup<object> | Promise<Lookup<object>> {
    if (!this.#listens) return { state: 'failed', outcome: 'unavailable' };
    const process = this.#process;
    const found = this.#cache.get(ref.kind, ref.key);
    if (!(found instanceof Promise)) {
      this.#checkInForce(ref, found);
      this.#check(ref, found);
      return found;
    }
    return found.then((lookup) => {
      if (!process.dead) this.#check(ref, lookup);
      return lookup;
    });
  }

  /** What an agent is told that shows `secret`: a refusal's code, or `granted`. */
  async authenticate(secret: string): Promise<string> {
    if (!this.#listens) return 'UNAVAILABLE';
    const shown = { authorization: undefined, agentKey: secret, clusterId: undefined };
    const decision = await this.#authenticator.authenticate(shown);
    return decision.outcome === 'granted' ? 'granted' : decision.code;
  }

  #check(ref: ContextRef, lookup: Lookup<object>): void {
    const name = refText(ref);
    const fault = this.#fault(ref, name, lookup);
    const told =
      lookup.state === 'present'
        ? short(lookup.version)
        : lookup.state === 'absent'
          ? `absent, ${lookup.why}`
          : `failed, ${lookup.outcome}`;
    if (this.#told.get(name) !== told) this.#parts.onEvent(`${this.name} answers for ${name}: ${told}`);
    this.#told.set(name, told);
    if (fault !== undefined) this.#parts.onViolation(`${fault} (${this.name}, ${name})`);
    this.absent.delete(name);
    if (lookup.state === 'present') this.#note(name, lookup.version, false);
    if (lookup.state === 'absent') this.absent.add(name);
  }

  /** What it would report as its watermark: it must never answer from before what was announced up to there. */
  #inForce(): number | undefined {
    const { watermark, feedIncarnation } = this.#tail;
    const { region, plant } = this.#parts;
    if (watermark === undefined || feedIncarnation === undefined) return undefined;
    if (feedIncarnation !== region.table.feedHead?.incarnation) return undefined;
    if (plant.reportsWhatIsRead) return watermark;
    return this.#applied.inForce({ incarnation: feedIncarnation, number: watermark }).number;
  }

  #checkInForce(ref: ContextRef, lookup: Lookup<object>): void {
    const { region, hazards, onViolation } = this.#parts;
    const name = refText(ref);
    const number = this.#inForce();
    if (number === undefined || lookup.state !== 'present' || region.lost.has(name)) return;
    if (number < (this.#tail.watermark ?? 0)) hazards.met('feed: read and not in force');
    for (const entry of region.table.feed.values()) {
      if (entry.number > number) continue;
      const newer = entry.announcements.find((one) => refText(one) === name && one.version > lookup.version);
      if (newer === undefined) continue;
      onViolation(
        `fence: ${this.name} answers ${lookup.version} for ${name}, and reports ${number}, where ${newer.version} was announced`,
      );
    }
  }

  #fault(ref: ContextRef, name: string, lookup: Lookup<object>): string | undefined {
    const given = this.#given.get(name);
    if (lookup.state === 'present') {
      if (given && lookup.version < given.version)
        return `law 2: a gateway answers ${lookup.version} after ${given.version}`;
      if (given?.dead && lookup.version === given.version)
        return 'law 2: a tombstone lives again in a gateway';
      return undefined;
    }
    if (lookup.state === 'failed') return undefined;
    if (lookup.why === 'unknown' && !this.#absentFromWhole.has(name))
      return 'whole: a gateway denies what it only missed in a table that is not whole';
    if (given === undefined || given.dead || this.#parts.region.lost.has(name)) return undefined;
    const { revision } = decodeVersion(given.version)!;
    if (!this.#parts.wasGoneSince(ref, revision))
      return `denied: a gateway denies what it answered at ${given.version}, and which has not been gone since`;
    return undefined;
  }

  #note(name: string, version: VersionText, dead: boolean): void {
    for (const given of [this.#given, this.#givenHere]) {
      const before = given.get(name);
      if (before === undefined || version > before.version || (version === before.version && dead))
        given.set(name, { version, dead });
    }
  }
}

/** The revision, which is all that differs while the epoch does not. */
export function short(version: VersionText): string {
  return String(decodeVersion(version)?.revision ?? version);
}
