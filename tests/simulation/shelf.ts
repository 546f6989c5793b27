import type { Mark } from '../../spoke/snapshot/header.ts';
import { MergedHoldings } from '../../spoke/snapshot/merged.ts';
import type { SnapshotRecord } from '../../spoke/snapshot/record.ts';
import type { Loaded, Owner, ShelfJournal, SnapshotShelf } from '../../spoke/snapshot/shelf.ts';
import type { Process } from './faults.ts';

interface Snapshot {
  owner: Owner;
  mark: Mark;
  /** The first journal that goes on from it. */
  journal: number;
  records: SnapshotRecord[];
}

/**
 * A gateway's disk: what a process has appended is there when it is killed, and a snapshot takes the last one's place
 * as a whole or not at all.
 */
export class SimulatedShelf {
  #snapshot: Snapshot | undefined;
  #journals = new Map<number, { records: SnapshotRecord[]; mark: Mark }>();
  #last = 0;

  /** What the next process finds. */
  load(): Loaded | undefined {
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return undefined;
    const merged = new MergedHoldings();
    merged.take(snapshot.records);
    let { mark } = snapshot;
    for (const [number, journal] of this.#journals) {
      if (number < snapshot.journal) continue;
      merged.take(journal.records);
      mark = journal.mark;
    }
    return { from: 'own', owner: snapshot.owner, mark, build: 'sim', holdings: merged.held };
  }

  /** As one process reaches it. A dead one changes nothing any more. */
  open(process: Process): SnapshotShelf {
    const alive = () => {
      if (process.dead) throw new Error('this process is dead');
    };
    return {
      load: async () => this.load(),
      beginJournal: async (_owner, mark) => {
        alive();
        const number = ++this.#last;
        const journal = { records: [] as SnapshotRecord[], mark };
        this.#journals.set(number, journal);
        return new SimulatedJournal(number, journal, alive);
      },
      write: async (owner, mark, journal, runs) => {
        const records: SnapshotRecord[] = [];
        for await (const run of runs) records.push(...run);
        alive();
        const { number } = journal as SimulatedJournal;
        this.#snapshot = { owner, mark, journal: number, records };
        for (const old of [...this.#journals.keys()]) if (old < number) this.#journals.delete(old);
        return records.length * 100;
      },
      isInPlace: async () => this.#snapshot !== undefined,
      setAside: async () => {
        if (!process.dead) this.#snapshot = undefined;
      },
      async [Symbol.asyncDispose]() {},
    };
  }
}

class SimulatedJournal implements ShelfJournal {
  readonly number: number;
  readonly #journal: { records: SnapshotRecord[]; mark: Mark };
  readonly #alive: () => void;

  constructor(number: number, journal: { records: SnapshotRecord[]; mark: Mark }, alive: () => void) {
    this.number = number;
    this.#journal = journal;
    this.#alive = alive;
  }

  get bytes(): number {
    return this.#journal.records.length * 100;
  }

  async append(records: readonly SnapshotRecord[], mark: Mark | undefined): Promise<void> {
    this.#alive();
    this.#journal.records.push(...records.map((record) => ({ ...record })));
    if (mark !== undefined) this.#journal.mark = mark;
  }

  async sync(): Promise<void> {}
  async close(): Promise<void> {}
}
