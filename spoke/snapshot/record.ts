import { assert } from '../../contexts/base/assert.ts';
import { isContextKey } from '../../contexts/keys.ts';
import { type ContextRef, isKindName, type KindName } from '../../contexts/kinds/index.ts';
import type { VersionText } from '../../contexts/revision.ts';

/**
 * One thing that a snapshot or a journal says of one context.
 *
 * - `live`: it is held at `version`, with that body; `floor` is a newer version that was announced and not read.
 * - `tombstone`: it is gone as of `version`.
 * - `superseded`: `version` was announced. What is older is known to be old.
 * - `absent`: it was read as absent, when `version` (or nothing) was known of it. What was held no longer counts.
 */
export type SnapshotRecord =
  | (ContextRef & { is: 'live'; version: VersionText; bodyText: string } & Doubts)
  | (ContextRef & { is: 'tombstone'; version: VersionText } & Doubts)
  | (ContextRef & { is: 'superseded'; version: VersionText })
  | (ContextRef & { is: 'absent'; version: VersionText | undefined });

interface Doubts {
  floor: VersionText | undefined;
  suspect: boolean;
}

/*
 * In bytes, whole numbers little-endian:
 *
 *     u8   what it is: 1 live, 2 tombstone, 3 superseded, 4 absent; plus 16 if suspect, 32 if a floor follows,
 *          64 if no version follows
 *     u8   length of the kind's name, and the name
 *     u8   length of the key, and the key
 *     28   the version, unless 64
 *     28   the floor, if 32
 *     u32  length of the body, and the body in UTF-8, in a live one
 */
const codes = { live: 1, tombstone: 2, superseded: 3, absent: 4 } as const;
const names = [undefined, 'live', 'tombstone', 'superseded', 'absent'] as const;
const flags = { suspect: 16, floor: 32, noVersion: 64 } as const;
const versionLength = 28;
const dot = 0x2e;

/** Bytes of a record beside its body, at the most. */
export const recordOverheadMax = 1 + 2 * 256 + 2 * versionLength + 4;

export function encodeRecords(records: readonly SnapshotRecord[]): Buffer {
  const bound = records.reduce((sum, record) => sum + boundOf(record), 0);
  const bytes = Buffer.allocUnsafe(bound);
  let at = 0;
  for (const record of records) at = writeRecord(bytes, at, record);
  return bytes.subarray(0, at);
}

function boundOf(record: SnapshotRecord): number {
  return recordOverheadMax + (record.is === 'live' ? record.bodyText.length * 3 : 0);
}

function writeRecord(bytes: Buffer, start: number, record: SnapshotRecord): number {
  const { kind, key, version } = record;
  const floor = 'floor' in record ? record.floor : undefined;
  const suspect = 'suspect' in record && record.suspect ? flags.suspect : 0;
  let at = start;
  bytes[at++] =
    codes[record.is] | suspect | (floor ? flags.floor : 0) | (version === undefined ? flags.noVersion : 0);
  bytes[at++] = kind.length;
  at += bytes.write(kind, at, 'latin1');
  bytes[at++] = key.length;
  at += bytes.write(key, at, 'latin1');
  for (const text of [version, floor]) {
    if (text === undefined) continue;
    assert(text.length === versionLength, `${text} is no version`);
    at += bytes.write(text, at, 'latin1');
  }
  if (record.is !== 'live') return at;
  const length = bytes.write(record.bodyText, at + 4, 'utf8');
  bytes.writeUInt32LE(length, at);
  return at + 4 + length;
}

/** What the bytes hold, one record after the other. `unknown` is told of records of kinds this build does not know. */
export function* decodeRecords(bytes: Buffer, unknown: (kind: string) => void): Generator<SnapshotRecord> {
  let known: KindName | undefined;
  for (let at = 0; at < bytes.length; ) {
    const head = bytes[at]!;
    const is = names[head & 15];
    if (is === undefined) throw new RecordError(`there is no record of type ${head & 15}`);
    const kindEnd = at + 2 + (bytes[at + 1] ?? 0);
    const kind = bytes.toString('latin1', at + 2, kindEnd);
    const keyEnd = kindEnd + 1 + (bytes[kindEnd] ?? 0);
    if (keyEnd > bytes.length) throw new RecordError('a record ends in its key');
    const key = bytes.toString('latin1', kindEnd + 1, keyEnd);
    at = keyEnd;
    let version: VersionText | undefined;
    if ((head & flags.noVersion) === 0) {
      version = versionAt(bytes, at);
      at += versionLength;
    }
    let floor: VersionText | undefined;
    if ((head & flags.floor) !== 0) {
      floor = versionAt(bytes, at);
      at += versionLength;
    }
    let bodyText = '';
    if (is === 'live') {
      if (at + 4 > bytes.length) throw new RecordError('a record ends before its body');
      const end = at + 4 + bytes.readUInt32LE(at);
      if (end > bytes.length) throw new RecordError('a record ends in its body');
      bodyText = bytes.toString('utf8', at + 4, end);
      at = end;
    }
    if (kind !== known && !isKindName(kind)) {
      unknown(kind);
      continue;
    }
    known = kind;
    if (!isContextKey(key)) throw new RecordError('a record has a malformed key');
    yield recordOf(is, kind, key, version, floor, (head & flags.suspect) !== 0, bodyText);
  }
}

function recordOf(
  is: SnapshotRecord['is'],
  kind: KindName,
  key: string,
  version: VersionText | undefined,
  floor: VersionText | undefined,
  suspect: boolean,
  bodyText: string,
): SnapshotRecord {
  if (is === 'absent') return { is, kind, key, version };
  if (version === undefined) throw new RecordError(`a ${is} record has no version`);
  if (is === 'live') return { is, kind, key, version, bodyText, floor, suspect };
  if (is === 'tombstone') return { is, kind, key, version, floor, suspect };
  return { is, kind, key, version };
}

/** Its form was checked before it was written and signed: here it is enough that it stands where it should. */
function versionAt(bytes: Buffer, at: number): VersionText {
  if (bytes[at + 6] !== dot || bytes[at + 23] !== dot || at + versionLength > bytes.length)
    throw new RecordError('a record has a malformed version');
  return bytes.toString('latin1', at, at + versionLength) as VersionText;
}

/** Signed, and yet no records: another program wrote it with our key. */
export class RecordError extends Error {
  override name = 'RecordError';
}
