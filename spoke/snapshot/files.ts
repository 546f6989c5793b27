import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { timestamp } from '../../contexts/base/clock.ts';
import type { Random } from '../../contexts/base/random.ts';
import { allSlots, claimSlot, localSigningKey, makePrivate, type Slot, syncDirectory } from './directory.ts';
import { FrameEncoder, frameBytesWanted, SnapshotRefused } from './frames.ts';
import type { Header, Mark } from './header.ts';
import type { SnapshotKeys } from './keys.ts';
import { MergedHoldings } from './merged.ts';
import { readHeader, readJournal, readSnapshot } from './reader.ts';
import { encodeRecords, recordOverheadMax, type SnapshotRecord } from './record.ts';
import type { Loaded, Owner, ShelfJournal, SnapshotShelf, Wanted } from './shelf.ts';

export interface FilesOptions {
  directory: string;
  keys: { signing: readonly Buffer[] | undefined; encryption: readonly Buffer[] | undefined };
  random: Random;
  build: string;
  /** The slot to read from and write nothing to: for a rehearsal's shadow. Absent: a free one is claimed. */
  readOnlySlot?: string;
}

const snapshotName = 'snapshot';
/** A snapshot that was refused, kept for a person to look at. At most one. */
const refusedName = 'snapshot.refused';
/** One that lacks tightenings which could not be written to its journal. At most one. */
const incompleteName = 'snapshot.incomplete';
const journalName = (number: number) => `journal-${String(number).padStart(8, '0')}`;

/**
 * Snapshot and journals as files in a gateway's slot of a directory:
 *
 *     slot-00/snapshot            replaced by a rename, so that it is always a whole one
 *     slot-00/journal-00000007    goes on from the snapshot whose header names 7, or an earlier number
 *
 * A snapshot is taken in this order: journal n+1 is begun, memory is gone through, the new file is synced, it takes
 * the old one's place, journals up to n are removed. A crash anywhere leaves a snapshot and all journals that go on
 * from it. A number that is missing among them is a loss, and nothing is read then.
 */
export class SnapshotFiles implements SnapshotShelf {
  readonly #slot: Slot;
  readonly #directory: string;
  readonly #keys: SnapshotKeys;
  readonly #random: Random;
  readonly #build: string;
  readonly #readOnly: boolean;

  private constructor(slot: Slot, keys: SnapshotKeys, options: FilesOptions) {
    this.#slot = slot;
    this.#keys = keys;
    this.#directory = options.directory;
    this.#random = options.random;
    this.#build = options.build;
    this.#readOnly = options.readOnlySlot !== undefined;
  }

  /** @throws DirectoryUnusable, or what the file system says. */
  static async open(options: FilesOptions): Promise<SnapshotFiles> {
    const { directory, random, readOnlySlot } = options;
    await makePrivate(directory);
    const signing = options.keys.signing ?? [await localSigningKey(directory, random)];
    const keys = { signing, encryption: options.keys.encryption ?? [] };
    if (readOnlySlot !== undefined)
      return new SnapshotFiles({ path: readOnlySlot, async [Symbol.asyncDispose]() {} }, keys, options);
    const slot = await claimSlot(directory);
    await rm(join(slot.path, `${snapshotName}.new`), { force: true });
    return new SnapshotFiles(slot, keys, options);
  }

  get slot(): string {
    return this.#slot.path;
  }

  /**
   * From this gateway's own slot; where that has none that can be used, from the slot of another gateway of this
   * machine, the best first. Not from one that is older than what was written here: whoever wrote it may have turned
   * somebody away whom the older one lets in.
   */
  async load(wanted: Wanted): Promise<Loaded | undefined> {
    const mine = await this.#loadSlot(this.#slot.path, wanted);
    if (mine !== undefined || this.#readOnly) return mine;
    const others = (await allSlots(this.#directory)).filter((path) => path !== this.#slot.path);
    const heardAtMs = await lastHeardMs(this.#slot.path);
    for (const path of await bestFirst(others)) {
      const loaded = await this.#loadSlot(path, wanted);
      if (loaded === undefined) continue;
      if (loaded.mark.atMs + marksWithinMs >= heardAtMs) return loaded;
      const [of, heard] = [timestamp(loaded.mark.atMs), timestamp(heardAtMs)];
      wanted.onRefused(path, new SnapshotRefused('too-old', `it is of ${of}; this slot's was of ${heard}`));
    }
    return undefined;
  }

  async #loadSlot(slot: string, wanted: Wanted): Promise<Loaded | undefined> {
    const path = join(slot, snapshotName);
    // Its gateway may be writing: what was read counts if the snapshot is still the same one afterwards.
    for (let attempt = 1; ; attempt++) {
      const before = await this.#fileIdOf(path);
      try {
        return await this.#loadFiles(slot, wanted);
      } catch (error) {
        if (isAbsent(error)) return undefined;
        if (!(error instanceof SnapshotRefused)) throw error;
        if (attempt < 3 && before !== (await this.#fileIdOf(path))) continue;
        wanted.onRefused(path, error);
        if (slot === this.#slot.path && !this.#readOnly)
          await rename(path, join(slot, refusedName)).catch(() => {});
        return undefined;
      }
    }
  }

  async #fileIdOf(path: string): Promise<string | undefined> {
    return (await readHeader(path, this.#keys).catch(() => undefined))?.fileId;
  }

  async #loadFiles(slot: string, wanted: Wanted): Promise<Loaded> {
    const merged = new MergedHoldings();
    const options = { keys: this.#keys, unknownKind: wanted.onUnknownKind, take: merged.take };
    const header = await readSnapshot(join(slot, snapshotName), options);
    checkOwner(header, wanted);
    let { mark } = header;
    const numbers = (await journalsIn(slot)).filter((number) => number >= header.journal);
    for (const [at, number] of numbers.entries()) {
      if (number !== header.journal + at) throw missing(header.journal + at);
      const path = join(slot, journalName(number));
      const journal = await readJournal(path, options);
      checkOwner(journal.header, wanted);
      if (journal.tornBytes > 0) wanted.onTorn(path, journal.tornBytes);
      mark = journal.mark;
    }
    if (numbers.length === 0) throw missing(header.journal);
    if (wanted.nowMs - mark.atMs > wanted.ageMaxMs)
      throw new SnapshotRefused('too-old', `it is of ${timestamp(mark.atMs)}`);
    const { environment, region, hubId, build } = header;
    const owner = { environment, region, hubId };
    const from = slot === this.#slot.path ? 'own' : 'other';
    return { from, owner, mark, build, holdings: merged.held };
  }

  async beginJournal(owner: Owner, mark: Mark): Promise<ShelfJournal> {
    await makePrivate(this.#slot.path);
    const number = ((await journalsIn(this.#slot.path)).at(-1) ?? 0) + 1;
    const encoder = new FrameEncoder(this.#header('journal', number, owner, mark), this.#keys);
    const file = await open(join(this.#slot.path, journalName(number)), 'wx', 0o600);
    const journal = new JournalFile(number, file, encoder);
    try {
      await journal.begin();
      await syncDirectory(this.#slot.path);
      return journal;
    } catch (error) {
      await journal.close().catch(() => {});
      await rm(join(this.#slot.path, journalName(number)), { force: true }).catch(() => {});
      throw error;
    }
  }

  async write(owner: Owner, mark: Mark, journal: JournalFile, runs: AsyncIterable<SnapshotRecord[]>) {
    const path = join(this.#slot.path, snapshotName);
    const unfinished = `${path}.new`;
    const encoder = new FrameEncoder(this.#header('snapshot', journal.number, owner, mark), this.#keys);
    let bytes = 0;
    try {
      const file = await open(unfinished, 'w', 0o600);
      try {
        bytes = await writeFrames(file, encoder, runs);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(unfinished, path);
      await syncDirectory(this.#slot.path);
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => {});
      throw error;
    }
    for (const number of await journalsIn(this.#slot.path)) {
      if (number < journal.number) await rm(join(this.#slot.path, journalName(number)), { force: true });
    }
    await rm(join(this.#slot.path, incompleteName), { force: true });
    return bytes;
  }

  async isInPlace(): Promise<boolean> {
    return (await stat(join(this.#slot.path, snapshotName)).catch(() => undefined)) !== undefined;
  }

  async setAside(): Promise<void> {
    const path = join(this.#slot.path, snapshotName);
    await rename(path, join(this.#slot.path, incompleteName)).catch((error) => {
      if (!isAbsent(error)) throw error;
    });
    await syncDirectory(this.#slot.path); // or it is back in its place after a loss of power
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#slot[Symbol.asyncDispose]();
  }

  #header(is: Header['is'], journal: number, owner: Owner, mark: Mark): Header {
    const fileId = Buffer.from(this.#random.bytes(16)).toString('hex');
    return {
      is,
      journal,
      ...owner,
      build: this.#build,
      encrypted: this.#keys.encryption.length > 0,
      fileId,
      mark,
    };
  }
}

class JournalFile implements ShelfJournal {
  readonly number: number;
  readonly #file: FileHandle;
  readonly #encoder: FrameEncoder;
  #bytes = 0;

  constructor(number: number, file: FileHandle, encoder: FrameEncoder) {
    this.number = number;
    this.#file = file;
    this.#encoder = encoder;
  }

  get bytes(): number {
    return this.#bytes;
  }

  async begin(): Promise<void> {
    await this.#write(this.#encoder.begin());
    await this.#file.sync();
  }

  async append(records: readonly SnapshotRecord[], mark: Mark | undefined): Promise<void> {
    const frames = inRuns(records).map((run) => this.#encoder.records(encodeRecords(run)));
    if (mark !== undefined) frames.push(this.#encoder.mark(mark));
    if (frames.length > 0) await this.#write(Buffer.concat(frames));
  }

  async #write(bytes: Buffer): Promise<void> {
    await writeAll(this.#file, bytes);
    this.#bytes += bytes.length;
  }

  sync(): Promise<void> {
    return this.#file.datasync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

async function writeFrames(
  file: FileHandle,
  encoder: FrameEncoder,
  runs: AsyncIterable<SnapshotRecord[]>,
): Promise<number> {
  let bytes = await writeAll(file, encoder.begin());
  let recordCount = 0;
  for await (const records of runs) {
    for (const run of inRuns(records)) {
      bytes += await writeAll(file, encoder.records(encodeRecords(run)));
      recordCount += run.length;
    }
  }
  return bytes + (await writeAll(file, encoder.end(recordCount)));
}

/** In runs that each fill a frame, or nearly so. */
function inRuns(records: readonly SnapshotRecord[]): SnapshotRecord[][] {
  const runs: SnapshotRecord[][] = [];
  let room = 0;
  for (const record of records) {
    if (room <= 0) {
      runs.push([]);
      room = frameBytesWanted;
    }
    runs.at(-1)!.push(record);
    room -= (record.is === 'live' ? record.bodyText.length : 0) + recordOverheadMax / 4;
  }
  return runs;
}

/** A write may take a part of the bytes only; what it took counts even where the next one fails. */
async function writeAll(file: FileHandle, bytes: Buffer): Promise<number> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, null);
    at += bytesWritten;
  }
  return bytes.length;
}

/** Written to within this time of the latest, a slot counts as equally new. */
const equallyNewMs = 300_000;

/** The latest of them, and of equally new ones that which holds most. */
async function bestFirst(slots: readonly string[]): Promise<string[]> {
  const seen = await Promise.all(
    slots.map(async (path) => {
      const names = (await readdir(path)).filter((name) => name === snapshotName || /^journal-/.test(name));
      const files = await Promise.all(names.map((name) => stat(join(path, name)).catch(() => undefined)));
      const bytes = files.reduce((sum, file) => sum + (file?.size ?? 0), 0);
      return { path, bytes, atMs: Math.max(0, ...files.map((file) => file?.mtimeMs ?? 0)) };
    }),
  );
  const latestMs = Math.max(0, ...seen.map(({ atMs }) => atMs));
  const isNew = ({ atMs }: { atMs: number }) => (latestMs - atMs <= equallyNewMs ? 1 : 0);
  seen.sort((a, b) => isNew(b) - isNew(a) || b.bytes - a.bytes);
  return seen.map(({ path }) => path);
}

/** A gateway that lives marks its journal at least this often, whether anything happens or not. */
const marksWithinMs = 15_000;

/** Until when a gateway wrote here what it heard, or gave up writing it; 0 where none did. */
async function lastHeardMs(slot: string): Promise<number> {
  const journals = (await journalsIn(slot)).map(async (number) => stat(join(slot, journalName(number))));
  const written = (await Promise.all(journals)).map(({ mtimeMs }) => mtimeMs);
  const setAside = await stat(join(slot, incompleteName)).catch(() => undefined);
  return Math.max(0, setAside?.ctimeMs ?? 0, ...written);
}

async function journalsIn(slot: string): Promise<number[]> {
  const numbers = (await readdir(slot))
    .flatMap((name) => /^journal-(\d{8})$/.exec(name)?.[1] ?? [])
    .map(Number);
  return numbers.sort((a, b) => a - b);
}

function checkOwner(header: Header, wanted: Wanted): void {
  const differences = (['environment', 'region'] as const)
    .filter((name) => header[name] !== wanted[name])
    .map((name) => `its ${name} is ${JSON.stringify(header[name])}, not ${JSON.stringify(wanted[name])}`);
  if (differences.length > 0) throw new SnapshotRefused('foreign', differences.join('; '));
}

function missing(number: number): SnapshotRefused {
  return new SnapshotRefused('damaged', `${journalName(number)}, which goes on from it, is not there`);
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
