import { decodeHeader, encodeHeader, encodeMark, type Header, type Mark } from './header.ts';
import { FileKeys, type SnapshotKeys, sealBytes, signatureBytes } from './keys.ts';

/**
 * The form of a snapshot and of a journal on disk:
 *
 *     preamble   "SPKSNAP", and the format's version as one byte
 *     frame 0    the header
 *     frame 1... records; encrypted where the header says so
 *                in a journal, marks among them: the place in the feed that all before it amounts to
 *     last       in a snapshot, how many records there were: without it, it was cut off
 *
 *     a frame    4 bytes marker, u8 type, u32 number, u32 length of the payload, the payload, 32 bytes signature
 *
 * The signature is over type, number, length and payload as they stand in the file, with a key derived from the file's
 * id: a frame cannot be changed, moved, repeated or put into another file without it showing.
 *
 * A change of any of this is a new version of the format. The one before is still read: see reader.ts.
 */
export const formatVersion = 1;
const magic = Buffer.from('SPKSNAP', 'latin1');
export const preambleBytes = magic.length + 1;
const marker = Buffer.from([0x89, 0x46, 0x52, 0x4d]);
export const frameHeadBytes = marker.length + 1 + 4 + 4;

export const frameTypes = { header: 1, records: 2, end: 3, mark: 4 } as const;
export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

/** Bytes of records that a writer puts in one frame, before the one that goes beyond it. */
export const frameBytesWanted = 128 * 1024;
/** No frame is longer; what claims to be is damaged. */
export const frameBytesMax = 4 * 1024 * 1024;

/**
 * Why a file is not used. None of these is a crash, and each is a line in the log.
 *
 * - `foreign`: no file of ours, or of another environment or region.
 * - `newer`: of a format that this build does not know yet.
 * - `unsigned`: not signed with a key that is configured here, or changed since.
 * - `unreadable`: encrypted, and no key that is configured here opens it.
 * - `truncated`: it ends too early.
 * - `damaged`: its parts do not fit together.
 * - `too-old`: older than tombstones live, or another gateway's and older than what was heard in this one's slot.
 */
export type Refusal = 'foreign' | 'newer' | 'unsigned' | 'unreadable' | 'truncated' | 'damaged' | 'too-old';

export class SnapshotRefused extends Error {
  override name = 'SnapshotRefused';
  readonly refusal: Refusal;

  constructor(refusal: Refusal, message: string) {
    super(message);
    this.refusal = refusal;
  }
}

export interface Frame {
  type: number;
  number: number;
  payload: Buffer;
  /** Type, number and length, as signed. */
  head: Buffer;
  signature: Buffer;
}

/** The frame at `at`; `'short'` where the bytes end before it does, `'none'` where there is none. */
export function frameAt(bytes: Buffer, at: number): Frame | 'short' | 'none' {
  if (bytes.length - at < frameHeadBytes) return 'short';
  if (!marker.equals(bytes.subarray(at, at + marker.length))) return 'none';
  const head = bytes.subarray(at + marker.length, at + frameHeadBytes);
  const length = head.readUInt32LE(5);
  if (length > frameBytesMax + sealBytes) return 'none';
  const end = at + frameHeadBytes + length;
  if (bytes.length < end + signatureBytes) return 'short';
  return {
    type: head[0]!,
    number: head.readUInt32LE(1),
    payload: bytes.subarray(at + frameHeadBytes, end),
    head,
    signature: bytes.subarray(end, end + signatureBytes),
  };
}

export function frameLength(frame: Frame): number {
  return frameHeadBytes + frame.payload.length + signatureBytes;
}

/** Where the next marker stands at or after `from`; -1 where there is none. */
export function nextMarker(bytes: Buffer, from: number): number {
  return bytes.indexOf(marker, from);
}

/** @throws SnapshotRefused unless the bytes begin as a file of a format that this build reads. */
export function checkPreamble(bytes: Buffer): void {
  if (bytes.length < preambleBytes) throw new SnapshotRefused('truncated', 'it ends before its header');
  if (!magic.equals(bytes.subarray(0, magic.length)))
    throw new SnapshotRefused('foreign', 'it is no snapshot of a gateway');
  const version = bytes[magic.length]!;
  if (version > formatVersion)
    throw new SnapshotRefused('newer', `its format is version ${version}; this build reads ${formatVersion}`);
  if (version < 1) throw new SnapshotRefused('damaged', 'its format has no version');
}

/** Writes the frames of one file, in order. */
export class FrameEncoder {
  readonly #keys: FileKeys;
  readonly #header: Header;
  #number = 0;

  constructor(header: Header, keys: SnapshotKeys) {
    this.#header = header;
    const encryption = header.encrypted ? keys.encryption[0] : undefined;
    this.#keys = new FileKeys(Buffer.from(header.fileId, 'hex'), keys.signing[0]!, encryption);
  }

  /** Preamble and header: what the file begins with. */
  begin(): Buffer {
    const version = Buffer.from([formatVersion]);
    return Buffer.concat([magic, version, this.#frame(frameTypes.header, encodeHeader(this.#header))]);
  }

  records(payload: Buffer): Buffer {
    return this.#frame(frameTypes.records, this.#keys.seal(payload, this.#number));
  }

  mark(mark: Mark): Buffer {
    return this.#frame(frameTypes.mark, encodeMark(mark));
  }

  end(recordCount: number): Buffer {
    return this.#frame(frameTypes.end, Buffer.from(JSON.stringify({ records: recordCount })));
  }

  #frame(type: FrameType, payload: Buffer): Buffer {
    const head = Buffer.alloc(frameHeadBytes - marker.length);
    head[0] = type;
    head.writeUInt32LE(this.#number, 1);
    head.writeUInt32LE(payload.length, 5);
    this.#number += 1;
    return Buffer.concat([marker, head, payload, this.#keys.sign(head, payload)]);
  }
}

/** Checks and opens the frames of one file. */
export class FrameDecoder {
  readonly header: Header;
  /** All with one signing key; several where several encryption keys are configured. */
  readonly #keys: readonly FileKeys[];

  private constructor(header: Header, ...keys: readonly FileKeys[]) {
    this.header = header;
    this.#keys = keys;
  }

  /** @throws SnapshotRefused where the first frame is no header that one of the keys has signed. */
  static open(first: Frame, keys: SnapshotKeys): FrameDecoder {
    const header = first.type === frameTypes.header ? decodeHeader(first.payload) : undefined;
    if (header === undefined) throw new SnapshotRefused('damaged', 'its header cannot be read');
    const fileId = Buffer.from(header.fileId, 'hex');
    const signing = keys.signing.find((key) =>
      new FileKeys(fileId, key, undefined).isSigned(first.signature, first.head, first.payload),
    );
    if (signing === undefined)
      throw new SnapshotRefused('unsigned', 'it is not signed with a key that this gateway has');
    if (!header.encrypted) return new FrameDecoder(header, new FileKeys(fileId, signing, undefined));
    if (keys.encryption.length === 0)
      throw new SnapshotRefused('unreadable', 'it is encrypted, and this gateway has no key to open it');
    return new FrameDecoder(header, ...keys.encryption.map((key) => new FileKeys(fileId, signing, key)));
  }

  isSigned(frame: Frame): boolean {
    return this.#keys[0]!.isSigned(frame.signature, frame.head, frame.payload);
  }

  /** @throws SnapshotRefused where no key opens it. */
  recordsOf(frame: Frame): Buffer {
    for (const keys of this.#keys) {
      try {
        return keys.unseal(frame.payload, frame.number);
      } catch {
        // of another key, then
      }
    }
    throw new SnapshotRefused('unreadable', 'no key that this gateway has opens it');
  }
}
