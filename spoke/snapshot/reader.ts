import { type FileHandle, open, readFile } from 'node:fs/promises';
import {
  checkPreamble,
  type Frame,
  FrameDecoder,
  frameAt,
  frameBytesMax,
  frameLength,
  frameTypes,
  nextMarker,
  preambleBytes,
  SnapshotRefused,
} from './frames.ts';
import { decodeMark, type Header, type Mark } from './header.ts';
import type { SnapshotKeys } from './keys.ts';
import { decodeRecords, RecordError, type SnapshotRecord } from './record.ts';

export interface ReadOptions {
  keys: SnapshotKeys;
  /** Told of every record of a kind that this build does not know. They are left out. */
  unknownKind(kind: string): void;
  /** Takes a run of records. What it took counts only once the promise has resolved. */
  take(records: Iterable<SnapshotRecord>): void;
}

const chunkBytes = 1024 * 1024;

/**
 * Reads a snapshot, a chunk at a time, and gives its records to `take` as they come.
 * @returns its header, once the last frame was found to be in place.
 * @throws SnapshotRefused where anything is wrong with it; what the file system throws where there is no file.
 */
export async function readSnapshot(path: string, options: ReadOptions): Promise<Header> {
  const file = await open(path, 'r');
  try {
    return await readFrames(file, options);
  } finally {
    await file.close();
  }
}

/** The header alone, checked. What follows it may still be damaged. */
export async function readHeader(path: string, keys: SnapshotKeys): Promise<Header> {
  const file = await open(path, 'r');
  try {
    const bytes = Buffer.alloc(8 * 1024);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return firstFrame(bytes.subarray(0, bytesRead), keys).decoder.header;
  } finally {
    await file.close();
  }
}

async function readFrames(file: FileHandle, options: ReadOptions): Promise<Header> {
  const { size } = await file.stat();
  const source = new Source(file, Math.min(chunkBytes, size + 1));
  let pending = await source.more(Buffer.alloc(0));
  const { decoder, next } = firstFrame(pending, options.keys);
  if (decoder.header.is !== 'snapshot') throw new SnapshotRefused('damaged', 'it is a journal, no snapshot');
  pending = pending.subarray(next);
  let recordCount = 0;
  for (let number = 1; ; number++) {
    let frame = frameAt(pending, 0);
    while (frame === 'short') {
      pending = await source.more(pending);
      frame = frameAt(pending, 0);
    }
    if (frame === 'none') throw new SnapshotRefused('damaged', `frame ${number} does not begin as one`);
    checkFrame(frame, number, decoder);
    pending = pending.subarray(frameLength(frame));
    if (frame.type === frameTypes.end) {
      checkEnd(frame, recordCount);
      if (pending.length > 0 || !(await source.isAtEnd()))
        throw new SnapshotRefused('damaged', 'something follows its end');
      return decoder.header;
    }
    options.take(counted(decoder.recordsOf(frame), options, () => (recordCount += 1)));
  }
}

/** The next bytes of a file, appended to those that are not used up yet. */
class Source {
  readonly #file: FileHandle;
  readonly #chunkBytes: number;
  #ended = false;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#chunkBytes = size;
  }

  async more(pending: Buffer): Promise<Buffer> {
    // The longest frame fits in what this may grow to, so that memory stays bounded whatever the file says.
    if (this.#ended || pending.length > frameBytesMax + 2 * chunkBytes)
      throw new SnapshotRefused('truncated', 'it ends in the middle of a frame');
    const chunk = Buffer.allocUnsafe(this.#chunkBytes);
    const { bytesRead } = await this.#file.read(chunk, 0, chunk.length, null);
    this.#ended = bytesRead === 0;
    return pending.length === 0
      ? chunk.subarray(0, bytesRead)
      : Buffer.concat([pending, chunk.subarray(0, bytesRead)]);
  }

  async isAtEnd(): Promise<boolean> {
    const { bytesRead } = await this.#file.read(Buffer.alloc(1), 0, 1, null);
    return bytesRead === 0;
  }
}

function firstFrame(bytes: Buffer, keys: SnapshotKeys): { decoder: FrameDecoder; next: number } {
  checkPreamble(bytes);
  const first = frameAt(bytes, preambleBytes);
  if (first === 'short') throw new SnapshotRefused('truncated', 'it ends in its header');
  if (first === 'none') throw new SnapshotRefused('damaged', 'it has no header');
  return { decoder: FrameDecoder.open(first, keys), next: preambleBytes + frameLength(first) };
}

function checkFrame(frame: Frame, number: number, decoder: FrameDecoder): void {
  if (!decoder.isSigned(frame))
    throw new SnapshotRefused('damaged', `frame ${number} is not what was signed`);
  if (frame.number !== number)
    throw new SnapshotRefused('damaged', `frame ${frame.number} is where frame ${number} should be`);
}

function checkEnd(frame: Frame, recordCount: number): void {
  const { records } = JSON.parse(frame.payload.toString()) as { records?: unknown };
  if (records !== recordCount)
    throw new SnapshotRefused('damaged', `it has ${recordCount} records and should have ${records}`);
}

function* counted(
  payload: Buffer,
  options: Pick<ReadOptions, 'unknownKind'>,
  count: () => void,
): Generator<SnapshotRecord> {
  const unknown = (kind: string) => {
    count();
    options.unknownKind(kind);
  };
  try {
    for (const record of decodeRecords(payload, unknown)) {
      count();
      yield record;
    }
  } catch (error) {
    if (error instanceof RecordError) throw new SnapshotRefused('damaged', error.message);
    throw error;
  }
}

/**
 * Reads a journal. A writer that died in the middle of a frame leaves a torn one, or bytes that were never written, at
 * the end: they are left out, and `tornBytes` says how many there were. Nobody was told of what they said.
 *
 * A damaged frame that whole ones follow is another matter: what it said was in force, and may have been a revocation.
 * @throws SnapshotRefused then, and where it is no journal.
 */
export async function readJournal(
  path: string,
  options: ReadOptions,
): Promise<{ header: Header; mark: Mark; tornBytes: number }> {
  const bytes = await readFile(path);
  const { decoder, next } = firstFrame(bytes, options.keys);
  if (decoder.header.is !== 'journal') throw new SnapshotRefused('damaged', 'it is a snapshot, no journal');
  const { header } = decoder;
  let { mark } = header;
  let at = next;
  for (let number = 1; at < bytes.length; number++) {
    const frame = frameAt(bytes, at);
    const whole = typeof frame === 'object' && decoder.isSigned(frame) && frame.number === number;
    if (!whole) {
      if (wholeFrameFollows(bytes, at, decoder))
        throw new SnapshotRefused('damaged', `frame ${number} of its journal is damaged, and others follow`);
      return { header, mark, tornBytes: bytes.length - at };
    }
    if (frame.type === frameTypes.mark) mark = decodeMark(frame.payload) ?? mark;
    else options.take(counted(decoder.recordsOf(frame), options, () => {}));
    at += frameLength(frame);
  }
  return { header, mark, tornBytes: 0 };
}

function wholeFrameFollows(bytes: Buffer, from: number, decoder: FrameDecoder): boolean {
  for (let at = nextMarker(bytes, from); at >= 0; at = nextMarker(bytes, at + 1)) {
    const frame = frameAt(bytes, at);
    if (typeof frame === 'object' && frame.type !== frameTypes.header && decoder.isSigned(frame)) return true;
  }
  return false;
}
