import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../contexts/base/clock.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { encodeVersion, type VersionText } from '../../../contexts/revision.ts';
import { SnapshotFiles } from '../../../spoke/snapshot/files.ts';
import { type Refusal, SnapshotRefused } from '../../../spoke/snapshot/frames.ts';
import type { Mark } from '../../../spoke/snapshot/header.ts';
import { parseKeys } from '../../../spoke/snapshot/keys.ts';
import { readJournal, readSnapshot } from '../../../spoke/snapshot/reader.ts';
import { decodeRecords, encodeRecords, type SnapshotRecord } from '../../../spoke/snapshot/record.ts';
import { keyIdAt, leaveSnapshot, markAt, regionOwner, regionRecords } from './region.ts';

const golden = fileURLToPath(new URL('./golden/format-1', import.meta.url));
const signing = Buffer.alloc(32, 7);
const encryption = Buffer.alloc(32, 9);
const version = (revision: number) => encodeVersion({ epoch: 1, revision, schemaVersion: 1 });

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spokecast-snapshot-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function refusalOf(path: string, keys = { signing: [signing], encryption: [] as Buffer[] }) {
  const records: SnapshotRecord[] = [];
  try {
    const take = (some: Iterable<SnapshotRecord>) => records.push(...some);
    await readSnapshot(path, { keys, unknownKind: () => {}, take });
    return { refusal: 'none' as const, records };
  } catch (error) {
    if (!(error instanceof SnapshotRefused)) throw error;
    return { refusal: error.refusal, records };
  }
}

const load = async (
  options: { signing?: Buffer; encryption?: Buffer; region?: string; ageMaxMs?: number } = {},
) => {
  const refusals: Refusal[] = [];
  const keys = {
    signing: [options.signing ?? signing],
    encryption: options.encryption && [options.encryption],
  };
  await using files = await SnapshotFiles.open({ directory, keys, random: systemRandom, build: 'test' });
  const { region = regionOwner.region, ageMaxMs = 1e9 } = options;
  const loaded = await files.load({
    ...{ environment: 'test', region, nowMs: Date.now(), ageMaxMs },
    onRefused: (_path, error) => refusals.push(error.refusal),
    onTorn: () => {},
    onUnknownKind: () => {},
  });
  return { loaded, refusals };
};

describe('records', () => {
  const versions = fc.integer({ min: 1, max: 1e9 }).map(version);
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const named = {
    kind: fc.constantFrom('tenant' as const, 'cluster' as const, 'agent-key' as const),
    key: fc.stringMatching(/^[a-z0-9_.:-]{1,128}$/),
  };
  const doubts = { floor: maybe(versions), suspect: fc.boolean() };
  const records: fc.Arbitrary<SnapshotRecord> = fc.oneof(
    fc.record({
      is: fc.constant('live' as const),
      ...named,
      version: versions,
      bodyText: fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
      ...doubts,
    }),
    fc.record({ is: fc.constant('tombstone' as const), ...named, version: versions, ...doubts }),
    fc.record({ is: fc.constant('superseded' as const), ...named, version: versions }),
    fc.record({ is: fc.constant('absent' as const), ...named, version: maybe(versions) }),
  );

  test('are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(records, { maxLength: 20 }), (some) => {
        expect([...decodeRecords(encodeRecords(some), () => {})]).toEqual(some);
      }),
    );
  });

  test('of a kind that this build does not know are left out, and told of', () => {
    const some = [...regionRecords(2, () => 'x'.repeat(43))];
    const bytes = encodeRecords(some);
    const unknown: string[] = [];
    const renamed = Buffer.from(bytes.toString('latin1').replaceAll('\x07cluster', '\x07flagset'), 'latin1');
    const known = [...decodeRecords(renamed, (kind) => unknown.push(kind))];
    expect(unknown).toEqual(['flagset']);
    expect(known).toHaveLength(some.length - 1);
  });
});

describe('a snapshot file', () => {
  test('is for its owner alone, and so is everything beside it', async () => {
    await leaveSnapshot(directory, 3);
    const slot = join(directory, 'slot-00');
    for (const path of [directory, slot]) expect((await stat(path)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(slot)) expect((await stat(join(slot, name))).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, 'signing.key'))).mode & 0o777).toBe(0o600);
  });

  test('a directory that others may look into is closed to them', async () => {
    await mkdir(join(directory, 'open'), { mode: 0o755 });
    directory = join(directory, 'open');
    await leaveSnapshot(directory, 1);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
  });

  test.each([
    ['signed', undefined],
    ['encrypted', encryption],
  ])('%s, it is read as it was written', async (_name, key) => {
    const { contexts } = await leaveSnapshot(directory, 300, {
      signing,
      ...(key ? { encryption: key } : {}),
    });
    const { loaded, refusals } = await load(key ? { encryption: key } : {});
    expect(refusals).toEqual([]);
    expect(loaded?.holdings.size).toBe(contexts);
    expect(loaded?.holdings.get(`agent-key/${keyIdAt(42)}`)?.version).toBe(version(43));
    expect(loaded?.mark.position.number).toBe(7);
    expect(loaded?.owner).toEqual(regionOwner);
  });

  test('[law 10] encrypted, nothing of a context can be found in it', async () => {
    await leaveSnapshot(directory, 50, { signing, encryption });
    const bytes = await readFile(join(directory, 'slot-00', 'snapshot'));
    for (const trace of ['agent-key', 'aki_', 'orders-0', 'verifier'])
      expect(bytes.includes(trace)).toBe(false);
    await rm(join(directory, 'slot-00'), { recursive: true });
    await leaveSnapshot(directory, 50, { signing });
    expect(
      (await readFile(join(directory, 'slot-00', 'snapshot'))).includes('verifier'),
      'and in clear it can',
    ).toBe(true);
  });

  test('[law 2] cut off at any byte, it is refused', async () => {
    await leaveSnapshot(directory, 2, { signing });
    const bytes = await readFile(join(directory, 'slot-00', 'snapshot'));
    const path = join(directory, 'cut');
    for (let length = 0; length < bytes.length; length++) {
      await writeFile(path, bytes.subarray(0, length));
      expect((await refusalOf(path)).refusal, `${length} of ${bytes.length} bytes`).toMatch(
        /truncated|foreign/,
      );
    }
    await writeFile(path, bytes);
    expect((await refusalOf(path)).refusal).toBe('none');
  });

  test('[law 2] with any byte changed, or one more, it is refused', async () => {
    await leaveSnapshot(directory, 2, { signing });
    const bytes = await readFile(join(directory, 'slot-00', 'snapshot'));
    const path = join(directory, 'changed');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1 << (at % 8);
      await writeFile(path, changed);
      expect((await refusalOf(path)).refusal, `byte ${at}`).not.toBe('none');
    }
    await writeFile(path, Buffer.concat([bytes, Buffer.from('x')]));
    expect((await refusalOf(path)).refusal).toBe('damaged');
  });

  test('frames of two files do not make a third', async () => {
    await leaveSnapshot(directory, 2, { signing });
    const one = await readFile(join(directory, 'slot-00', 'snapshot'));
    await leaveSnapshot(directory, 2, { signing });
    const other = await readFile(join(directory, 'slot-00', 'snapshot'));
    const frame = Buffer.from([0x89, 0x46, 0x52, 0x4d]);
    const second = (bytes: Buffer) => bytes.indexOf(frame, bytes.indexOf(frame) + 1);
    const path = join(directory, 'mixed');
    await writeFile(path, Buffer.concat([one.subarray(0, second(one)), other.subarray(second(other))]));
    expect((await refusalOf(path)).refusal).toBe('damaged');
  });

  test.each<[Refusal, () => Promise<{ refusals: Refusal[] }>]>([
    ['unsigned', () => load({ signing: Buffer.alloc(32, 8) })],
    ['foreign', () => load({ region: 'us-east-1' })],
    ['too-old', () => load({ ageMaxMs: -1 })],
  ])('%s: it is refused, and kept for a person to look at', async (refusal, loading) => {
    await leaveSnapshot(directory, 2, { signing });
    expect((await loading()).refusals).toEqual([refusal]);
    expect(await readdir(join(directory, 'slot-00'))).toContain('snapshot.refused');
  });

  test('encrypted with another key, or one that is not known here, it is refused', async () => {
    await leaveSnapshot(directory, 2, { signing, encryption });
    const path = join(directory, 'slot-00', 'snapshot');
    expect((await refusalOf(path)).refusal).toBe('unreadable');
    const keys = { signing: [signing], encryption: [Buffer.alloc(32, 1)] };
    expect((await refusalOf(path, keys)).refusal).toBe('unreadable');
    const several = {
      signing: [Buffer.alloc(32, 2), signing],
      encryption: [Buffer.alloc(32, 1), encryption],
    };
    expect((await refusalOf(path, several)).refusal, 'one of several keys is enough').toBe('none');
  });

  test('of a newer format, or no snapshot at all, it is refused', async () => {
    await leaveSnapshot(directory, 2, { signing });
    const path = join(directory, 'slot-00', 'snapshot');
    const bytes = await readFile(path);
    bytes[7] = 2;
    await writeFile(path, bytes);
    expect((await refusalOf(path)).refusal).toBe('newer');
    await writeFile(path, '{"not": "a snapshot"}');
    expect((await refusalOf(path)).refusal).toBe('foreign');
  });

  // Written by the build that first had the format, and read by every build after it. When the format changes,
  // this test stays, and one for the new format is added beside it.
  test('of format 1 as it was first written, in clear and encrypted, is read', async () => {
    for (const name of ['clear', 'encrypted']) {
      const slot = join(directory, name, 'slot-00');
      await mkdir(slot, { recursive: true });
      for (const file of await readdir(join(golden, name)))
        await copyFile(join(golden, name, file), join(slot, file));
      const keys = { signing: [signing], encryption: [encryption] };
      await using files = await SnapshotFiles.open({
        directory: join(directory, name),
        keys,
        random: systemRandom,
        build: 'test',
      });
      const refused: string[] = [];
      const loaded = await files.load({
        ...{ environment: 'test', region: regionOwner.region, nowMs: 1_800_000_000_000, ageMaxMs: 1e12 },
        onRefused: (_path, error) => refused.push(error.message),
        onTorn: () => {},
        onUnknownKind: () => {},
      });
      expect(refused).toEqual([]);
      expect([...loaded!.holdings.keys()]).toHaveLength(23);
      expect(
        loaded!.holdings.get(`agent-key/${keyIdAt(3)}`)?.bodyText,
        'its tombstone is in the journal',
      ).toBeNull();
      expect(loaded!.holdings.get(`agent-key/${keyIdAt(4)}`)?.floor).toBe(version(101));
      expect(loaded!.holdings.has(`agent-key/${keyIdAt(5)}`)).toBe(false);
      expect(loaded!.mark).toEqual(markAt(9, 1_750_000_001_000));
    }
  });
});

describe('a journal', () => {
  const path = () => join(directory, 'slot-00', 'journal-00000001');
  const read = async () => {
    const records: SnapshotRecord[] = [];
    const take = (some: Iterable<SnapshotRecord>) => records.push(...some);
    const told = await readJournal(path(), {
      keys: { signing: [signing], encryption: [] },
      unknownKind: () => {},
      take,
    });
    return { ...told, keys: records.map(({ key }) => key) };
  };

  async function write(count: number): Promise<Buffer> {
    await using files = await SnapshotFiles.open({
      ...{ directory, random: systemRandom, build: 'test' },
      keys: { signing: [signing], encryption: undefined },
    });
    const journal = await files.beginJournal(regionOwner, markAt(1, 5));
    for (let n = 0; n < count; n++)
      await journal.append(
        [{ is: 'superseded', kind: 'tenant', key: `k${n}`, version: version(n + 1) as VersionText }],
        undefined,
      );
    await journal.close();
    return readFile(path());
  }

  test('cut off at any byte, what was whole of it is read', async () => {
    const bytes = await write(3);
    const frame = (bytes.length - (await lengthOf(0))) / 3;
    for (let length = bytes.length - 2 * frame; length <= bytes.length; length++) {
      await writeFile(path(), bytes.subarray(0, length));
      const whole = 1 + Math.floor((length - (bytes.length - 2 * frame)) / frame);
      expect((await read()).keys, `${length} of ${bytes.length} bytes`).toEqual(
        ['k0', 'k1', 'k2'].slice(0, whole),
      );
    }
  });

  async function lengthOf(count: number): Promise<number> {
    const other = await mkdtemp(join(tmpdir(), 'spokecast-snapshot-'));
    const before = directory;
    directory = other;
    const { length } = await write(count);
    directory = before;
    await rm(other, { recursive: true });
    return length;
  }

  test('that ends in garbage is read up to it', async () => {
    const bytes = await write(2);
    await writeFile(path(), Buffer.concat([bytes, Buffer.alloc(5_000)]));
    expect(await read()).toMatchObject({ keys: ['k0', 'k1'], tornBytes: 5_000 });
  });

  test('[law 2] damaged in its middle it is refused: what it said was in force', async () => {
    const bytes = await write(3);
    for (let at = bytes.length - 150; at < bytes.length - 120; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 4;
      await writeFile(path(), changed);
      await expect(read(), `byte ${at}`).rejects.toMatchObject({ refusal: 'damaged' });
    }
  });

  test('[law 2] what another gateway left is no substitute where it is older than what was heard here', async () => {
    const open = () =>
      SnapshotFiles.open({
        ...{ directory, random: systemRandom, build: 'test' },
        keys: { signing: [signing], encryption: undefined },
      });
    const neighbour = async (mark: Mark) => {
      await using _mine = await open(); // which is slot-00, so the other is slot-01
      await leaveSnapshot(directory, 2, { signing, mark });
    };
    await neighbour(markAt(7, systemClock.now() - 60_000));
    expect((await load()).loaded, 'nothing was heard here').toMatchObject({ from: 'other' });
    await leaveSnapshot(directory, 2, { signing, mark: markAt(8) });
    expect((await load()).loaded).toMatchObject({ from: 'own', mark: { position: { number: 8 } } });
    {
      await using mine = await open();
      await mine.setAside(); // it lacks a revocation that the disk would not take
    }
    expect(await load()).toMatchObject({ loaded: undefined, refusals: ['too-old'] });
    await neighbour(markAt(9));
    expect((await load()).loaded).toMatchObject({ from: 'other', mark: { position: { number: 9 } } });
  });

  test('[law 2] without the journal that goes on from it, a snapshot is refused', async () => {
    await leaveSnapshot(directory, 2, { signing });
    await rm(join(directory, 'slot-00', 'journal-00000001'));
    expect((await load()).refusals).toEqual(['damaged']);
  });
});

test('keys are hex or base64, one or several', () => {
  const key = Buffer.from(systemRandom.bytes(32));
  expect(parseKeys(key.toString('hex'))).toEqual([key]);
  expect(parseKeys(`${key.toString('base64')}, ${key.toString('base64url')}`)).toEqual([key, key]);
  for (const bad of ['', 'secret', key.toString('hex').slice(2), `${key.toString('hex')},`])
    expect(parseKeys(bad)).toBeUndefined();
});
