import type { Clock } from '../../contexts/base/clock.ts';
import { Loop } from '../../contexts/base/loop.ts';
import { jittered, type Random } from '../../contexts/base/random.ts';
import type { Announcement } from '../../contexts/store.ts';
import type { Change, Holding } from '../cache/holding.ts';
import type { AnnounceOutcome } from '../cache/outcomes.ts';
import type { Mark, Position } from './header.ts';
import type { SnapshotRecord } from './record.ts';
import type { Loaded, Owner, ShelfJournal, SnapshotShelf } from './shelf.ts';

/** What the keeper tells as it goes. */
export interface KeeperEvents {
  written(written: { contexts: number; bytes: number; durationMs: number }): void;
  failed(what: 'snapshot' | 'journal' | 'set-aside', error: unknown): void;
}

export interface KeeperOptions {
  shelf: SnapshotShelf;
  /** What is to be kept: names first, then each as it is when its turn comes. */
  cache: { refs(): string[]; holding(ref: string): Holding | undefined };
  /** Up to where announcements are applied now; undefined while that is not known. */
  position(): Position | undefined;
  clock: Clock;
  random: Random;
  /** The least time between two snapshots. */
  everyMs: number;
  /** Age of a snapshot at which a new one is taken in any case: what was evicted since is still in it. */
  wholeEveryMs?: number;
  events: KeeperEvents;
}

/** Contexts that are written at a time, with a pause between: about a millisecond's work. */
const runLength = 500;
const runPauseMs = 4;
/** Tightenings are synced together, at most this often. */
const syncEveryMs = 20;
/** What is no tightening may wait for so long before it is in the journal. */
const lazyMs = 1_000;
/** How often the journal says that nothing happened. */
const markEveryMs = 10_000;
/** A journal is replaced by a snapshot when it is larger than this and than a quarter of the last one. */
const journalBytesLeast = 1024 * 1024;
/** Records that wait for a slow disk. Beyond that they are given up, and what is kept is incomplete. */
const waitingMax = 200_000;

/**
 * Keeps what a gateway holds on its disk, so that a later process answers as this one does: a *snapshot* of the whole
 * now and then, and a *journal* of what has changed since.
 *
 * Into the journal goes every announcement that was news, and whatever a fill changed. So snapshot and journal together
 * are what is in memory, but for what was evicted, and a *mark* in the journal says up to which place in the feed. What
 * was announced is synced before the watermark that others are told moves past it (`settled`).
 *
 * The snapshot is taken while everything goes on. Its mark is set first, then its journal is begun, then the cache is
 * gone through: what is written of a context is as of the mark, or newer, and what changes after it was written is in
 * the journal.
 *
 * The keeper is
 *
 * - *waiting*, until the tail has found its place in the feed: there is nothing yet that could be promised;
 * - *keeping*, from the first snapshot on;
 * - *incomplete*, once a record was lost because the disk would not take it. What is on disk would bring back what was
 *   revoked, so it is set aside, and a whole new snapshot is tried until one is written.
 */
export class SnapshotKeeper implements AsyncDisposable {
  readonly #options: KeeperOptions;
  readonly #whole: Loop;
  readonly #pump: Loop;
  readonly #syncs: Loop;
  #state: 'waiting' | 'keeping' | 'incomplete' = 'waiting';
  #owner: Owner | undefined;
  /** Where records go; undefined while waiting or incomplete, when there is nothing they would go on from. */
  #journal: ShelfJournal | undefined;
  /** Being appended to now: it is not closed meanwhile. */
  #appending: Promise<void> = Promise.resolve();
  #syncing: Promise<void> = Promise.resolve();
  /** The last journal, until it is synced and closed. */
  #retiring: ShelfJournal | undefined;
  #waiting: SnapshotRecord[] = [];
  /** Records counted that the watermark must not pass: those that came, that were written, and that were synced. */
  #urgent = { heard: 0, written: 0, synced: 0 };
  /** The last watermark that was to be told. What it covers was heard by then. */
  #asked: number | undefined;
  /** As of when what was written last was taken. */
  #writtenUpTo: number | undefined;
  /** The watermark that may be told: all of them that it covers are synced. */
  #settled: number | undefined;
  /** How often announcements were missed. The journal cannot say so: there is no mark until a snapshot has. */
  #misses = 0;
  #missesWritten = 0;
  #lastMark: Mark | undefined;
  #markedAt = 0;
  #snapshotBytes = 0;
  #writtenAt: number | undefined;
  #trouble: string | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    const { clock, random, everyMs, events } = options;
    this.#whole = new Loop({
      name: 'snapshot',
      clock,
      everyMs: () => jittered(random, everyMs, 0.1),
      turn: () => this.#turn(),
      onError: (error) => this.#inTrouble('snapshot', error),
    });
    this.#pump = new Loop({
      name: 'snapshot-journal',
      clock,
      everyMs: lazyMs,
      turn: () => this.#flush(),
      onError: (error) => events.failed('journal', error),
    });
    this.#syncs = new Loop({
      name: 'snapshot-sync',
      clock,
      everyMs: lazyMs,
      turn: () => this.#sync(),
      onError: (error) => events.failed('journal', error),
    });
  }

  start(): void {
    this.#syncs.start();
    this.#whole.start();
    this.#pump.start();
  }

  /** Goes on from what was loaded, where it is this gateway's own. */
  async goOnFrom(loaded: Loaded): Promise<void> {
    this.#owner = loaded.owner;
    if (loaded.from === 'other') return;
    try {
      this.#journal = await this.#options.shelf.beginJournal(loaded.owner, loaded.mark);
      this.#state = 'keeping';
      this.#lastMark = loaded.mark;
    } catch (error) {
      await this.#lose(error);
    }
  }

  identified(owner: Owner): void {
    this.#owner = owner;
  }

  /** The tail has found its place in the feed. */
  pinned(): void {
    if (this.#journal === undefined) this.#whole.wake();
  }

  heard({ kind, key, version, tombstone }: Announcement, outcome: AnnounceOutcome): void {
    if (outcome === 'known') return;
    if (tombstone) this.#append({ is: 'tombstone', kind, key, version, ...undoubted }, 'urgent');
    else this.#append({ is: 'superseded', kind, key, version }, 'urgent');
  }

  changed(change: Change): void {
    const urgency = change.replaces === 'something' ? 'urgent' : 'lazy';
    this.#append(change.is === 'held' ? recordOf(change.holding) : absenceOf(change), urgency);
  }

  /** Announcements may have been missed. */
  missed(): void {
    this.renew();
  }

  /** What is on disk is doubtful: another snapshot is taken, and nothing is marked until it is there. */
  renew(): void {
    this.#misses += 1;
    this.#whole.wake();
  }

  /** The watermark as others may be told: what it covers would outlive a crash. */
  settled(watermark: number | undefined): number | undefined {
    if (watermark === undefined) return undefined;
    this.#asked = watermark;
    if (this.#urgent.heard === this.#urgent.synced) this.#settled = watermark;
    return Math.min(this.#settled ?? watermark, watermark);
  }

  /** Why what is on disk may not be what is in memory; undefined while all is well. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Numbers for metrics. */
  stats() {
    return {
      state: this.#state,
      markAtMs: this.#state === 'incomplete' ? undefined : this.#lastMark?.atMs,
      snapshotBytes: this.#snapshotBytes,
      journalBytes: this.#journal?.bytes ?? 0,
      loopAgesMs: {
        snapshot: this.#whole.ageMs(),
        'snapshot-journal': this.#pump.ageMs(),
        'snapshot-sync': this.#syncs.ageMs(),
      },
    };
  }

  /** Appends what waits, and ends. */
  async stop(): Promise<void> {
    await this.#whole.stop();
    await this.#pump.stop();
    await this.#flush();
    await this.#syncs.stop();
    await this.#journal?.sync().catch(() => {});
    await this.#journal?.close().catch(() => {});
    this.#journal = undefined;
    await this.#options.shelf[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  // ----------------------------------------------------------------------------------------------- the journal

  #append(record: SnapshotRecord, urgency: 'urgent' | 'lazy'): void {
    if (this.#journal === undefined) return;
    this.#waiting.push(record);
    if (this.#waiting.length > waitingMax) {
      void this.#lose(new Error(`the disk does not keep up: ${waitingMax} records wait for it`));
    } else if (urgency === 'urgent') {
      // The tail moves its watermark only after it has told of all that the move covers.
      this.#settled ??= this.#options.position()?.number;
      this.#urgent.heard += 1;
      this.#pump.wake();
    }
  }

  async #flush(): Promise<void> {
    const { clock } = this.#options;
    const journal = this.#journal;
    const isDue = clock.monotonic() - this.#markedAt >= markEveryMs;
    if (journal === undefined || (this.#waiting.length === 0 && !isDue)) return;
    // The records and the mark are of one and the same moment: all that the mark covers is among them, or before them.
    const records = this.#waiting;
    const { heard } = this.#urgent;
    const mark = this.#misses === this.#missesWritten ? this.#markNow() : undefined;
    const upTo = this.#asked;
    this.#waiting = [];
    const work = journal.append(records, mark);
    this.#appending = work.catch(() => {});
    try {
      await work;
    } catch (error) {
      await this.#lose(error);
      return;
    }
    this.#urgent.written = heard;
    this.#writtenUpTo = upTo;
    if (heard > this.#urgent.synced) this.#syncs.wake();
    if (mark !== undefined) {
      this.#lastMark = mark;
      this.#markedAt = clock.monotonic();
    }
  }

  /** What was written is safe from a crash of the process already; a sync makes it safe from one of the machine. */
  async #sync(): Promise<void> {
    const journal = this.#journal;
    const { written, synced } = this.#urgent;
    const upTo = this.#writtenUpTo;
    if (journal === undefined || written === synced) return;
    const work = Promise.all([this.#retiring?.sync(), journal.sync()]).then(() => {});
    this.#syncing = work.catch(() => {});
    try {
      await work;
    } catch (error) {
      await this.#lose(error);
      return;
    }
    this.#urgent.synced = Math.max(this.#urgent.synced, written); // records may have been given up meanwhile
    this.#settled = upTo ?? this.#settled;
    await this.#options.clock.sleep(syncEveryMs);
  }

  #markNow(): Mark | undefined {
    const position = this.#options.position();
    return position && { atMs: this.#options.clock.now(), position };
  }

  /** Records were lost, revocations perhaps: nobody may boot from what is on disk. Then the watermark may pass them. */
  async #lose(error: unknown): Promise<void> {
    const { shelf, events } = this.#options;
    const [journal, { heard }] = [this.#journal, this.#urgent];
    this.#journal = undefined;
    this.#state = 'incomplete';
    this.#waiting = [];
    this.#inTrouble('journal', error);
    try {
      await shelf.setAside();
    } catch (failure) {
      events.failed('set-aside', failure);
    }
    for (const up of ['written', 'synced'] as const) this.#urgent[up] = Math.max(this.#urgent[up], heard);
    await journal?.close().catch(() => {});
  }

  // ---------------------------------------------------------------------------------------------- the snapshot

  async #turn(): Promise<void> {
    const { clock, shelf, wholeEveryMs = 3_600_000 } = this.#options;
    const journal = this.#journal;
    const isOld = this.#writtenAt === undefined || clock.monotonic() - this.#writtenAt > wholeEveryMs;
    const isLong = journal !== undefined && journal.bytes > this.#journalBytesMax;
    const isLacking = journal === undefined || this.#misses !== this.#missesWritten;
    if (isOld || isLong || isLacking || !(await shelf.isInPlace())) await this.write();
  }

  get #journalBytesMax(): number {
    return Math.max(journalBytesLeast, this.#snapshotBytes / 4);
  }

  /** Writes the whole, if its place in the feed is known. */
  async write(): Promise<'written' | 'no-place-yet'> {
    const { shelf, cache, clock, events } = this.#options;
    const startedAt = clock.monotonic();
    const owner = this.#owner;
    const mark = this.#markNow();
    if (owner === undefined || mark === undefined) return 'no-place-yet';
    const journal = await shelf.beginJournal(owner, mark);
    const last = this.#journal;
    const misses = this.#misses;
    this.#journal = journal;
    this.#retiring = last;
    await this.#appending;
    await this.#syncing;
    await last?.sync();
    this.#retiring = undefined;
    await last?.close().catch(() => {});
    const counted = { contexts: 0 };
    try {
      const bytes = await shelf.write(owner, mark, journal, this.#runs(cache.refs(), journal, counted));
      if (this.#journal !== journal) {
        await shelf.setAside();
        throw new LostMeanwhile();
      }
      this.#snapshotBytes = bytes;
      events.written({ contexts: counted.contexts, bytes, durationMs: clock.monotonic() - startedAt });
    } catch (error) {
      // The last snapshot is still there, and both journals go on from it. Without one this journal is of no use.
      if (this.#state !== 'keeping' && this.#journal === journal) {
        this.#journal = undefined;
        await journal.close().catch(() => {});
      }
      throw error;
    }
    this.#state = 'keeping';
    this.#trouble = undefined;
    this.#missesWritten = misses;
    this.#writtenAt = clock.monotonic();
    if (this.#lastMark === undefined || this.#lastMark.atMs < mark.atMs) this.#lastMark = mark;
    return 'written';
  }

  async *#runs(
    refs: readonly string[],
    journal: ShelfJournal,
    counted: { contexts: number },
  ): AsyncGenerator<SnapshotRecord[]> {
    const { cache, clock } = this.#options;
    for (let at = 0; at < refs.length; at += runLength) {
      if (this.#journal !== journal) throw new LostMeanwhile();
      const holdings = refs.slice(at, at + runLength).map((ref) => cache.holding(ref));
      const records = holdings.filter((holding) => holding !== undefined).map(recordOf);
      counted.contexts += records.length;
      yield records;
      await clock.sleep(runPauseMs);
    }
  }

  #inTrouble(what: 'snapshot' | 'journal', error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#trouble = `the ${what} cannot be written: ${reason}`;
    this.#options.events.failed(what, error);
  }
}

/** The journal of a snapshot that was being written was given up: so is the snapshot. */
class LostMeanwhile extends Error {
  constructor() {
    super('its journal could not be written');
  }
}

function absenceOf({ kind, key, version }: Extract<Change, { is: 'absent' }>): SnapshotRecord {
  return { is: 'absent', kind, key, version };
}

const undoubted = { floor: undefined, suspect: false } as const;

function recordOf({ kind, key, version, bodyText, floor, suspect }: Holding): SnapshotRecord {
  const doubts = { floor, suspect };
  return bodyText === null
    ? { is: 'tombstone', kind, key, version, ...doubts }
    : { is: 'live', kind, key, version, bodyText, ...doubts };
}
