import type { Holding } from '../cache/holding.ts';
import type { SnapshotRefused } from './frames.ts';
import type { Mark } from './header.ts';
import type { SnapshotRecord } from './record.ts';

/**
 * Where a gateway keeps its snapshot, and the journals that go on from it: files on its disk (files.ts), or something
 * that behaves like them in a simulation. Everything may throw what the disk says.
 */
export interface SnapshotShelf extends AsyncDisposable {
  /** What an earlier process left, checked; undefined where there is nothing that may be used. */
  load(wanted: Wanted): Promise<Loaded | undefined>;
  /** Begins the journal that goes on from what is kept now, and from the snapshot that is written next. */
  beginJournal(owner: Owner, mark: Mark): Promise<ShelfJournal>;
  /**
   * Puts a snapshot in the place of the last one, in one step, and removes the journals that it makes needless.
   * `journal` is the one that was begun before the first record was taken. Resolves with what it came to in bytes.
   */
  write(
    owner: Owner,
    mark: Mark,
    journal: ShelfJournal,
    runs: AsyncIterable<SnapshotRecord[]>,
  ): Promise<number>;
  /** Whether the last snapshot is still where it was put: nobody may have swept it away. */
  isInPlace(): Promise<boolean>;
  /** What is kept lacks something that was in force: no later process may boot from it. */
  setAside(): Promise<void>;
}

export interface ShelfJournal {
  /** Bytes appended so far. */
  readonly bytes: number;
  /** Appends the records and then the mark, and resolves when they would outlive this process. */
  append(records: readonly SnapshotRecord[], mark: Mark | undefined): Promise<void>;
  /** Resolves when what was appended would outlive the machine. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Whose memory it is. */
export interface Owner {
  environment: string;
  region: string;
  hubId: string;
}

export interface Wanted {
  environment: string;
  region: string;
  nowMs: number;
  ageMaxMs: number;
  onRefused(path: string, error: SnapshotRefused): void;
  /** A journal ended in bytes that nobody was promised. */
  onTorn(path: string, bytes: number): void;
  onUnknownKind(kind: string): void;
}

export interface Loaded {
  /** Whether it is what this gateway goes on from, or another one's on this machine. */
  from: 'own' | 'other';
  owner: Owner;
  /** Of the last thing in it. */
  mark: Mark;
  build: string;
  /** By `refText`, least recently used first. */
  holdings: Map<string, Holding>;
}

/** A directory that cannot be used: it holds nothing, and takes nothing. */
export class UnusableShelf implements SnapshotShelf {
  readonly #reason: unknown;

  constructor(reason: unknown) {
    this.#reason = reason;
  }

  async load(): Promise<undefined> {}

  async beginJournal(): Promise<never> {
    throw this.#reason;
  }

  async write(): Promise<never> {
    throw this.#reason;
  }

  async isInPlace(): Promise<boolean> {
    return false;
  }

  async setAside(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}
