import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../contexts/base/assert.ts';
import {
  decodeVersion,
  encodeVersion,
  epochMax,
  isNewer,
  schemaVersionMax,
  type Version,
} from '../../contexts/revision.ts';

const cases: [Version, string][] = [
  [{ epoch: 1, revision: 1, schemaVersion: 1 }, '000001.0000000000000001.0001'],
  [{ epoch: 1, revision: 42, schemaVersion: 1 }, '000001.0000000000000042.0001'],
  [{ epoch: 2, revision: 7, schemaVersion: 1 }, '000002.0000000000000007.0001'],
  [
    { epoch: epochMax, revision: Number.MAX_SAFE_INTEGER, schemaVersion: schemaVersionMax },
    '999999.9007199254740991.9999',
  ],
];

const anyVersion: fc.Arbitrary<Version> = fc.record({
  epoch: fc.integer({ min: 1, max: epochMax }),
  revision: fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.maxSafeNat().filter((n) => n > 0),
  ),
  schemaVersion: fc.integer({ min: 1, max: schemaVersionMax }),
});

describe('versions', () => {
  test.each(cases)('%j is written %s', (version, text) => {
    expect(encodeVersion(version)).toBe(text);
    expect(decodeVersion(text)).toEqual(version);
  });

  test('any comes back as it was', () => {
    fc.assert(
      fc.property(anyVersion, (version) => {
        expect(decodeVersion(encodeVersion(version))).toEqual(version);
      }),
    );
  });

  test('[law 2] the order of the texts is the order of epoch, revision, schema version', () => {
    const parts = (version: Version) => [version.epoch, version.revision, version.schemaVersion];
    const near = fc.record({
      epoch: fc.integer({ min: 1, max: 11 }),
      revision: fc.integer({ min: 1, max: 11 }),
      schemaVersion: fc.integer({ min: 1, max: 11 }),
    });
    const pair = fc.oneof(fc.tuple(anyVersion, anyVersion), fc.tuple(near, near));
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const differing = parts(a).findIndex((part, index) => part !== parts(b)[index]);
        const expected = differing >= 0 && (parts(a)[differing] ?? 0) > (parts(b)[differing] ?? 0);
        expect(isNewer(encodeVersion(a), encodeVersion(b))).toBe(expected);
        expect(Buffer.compare(Buffer.from(encodeVersion(a)), Buffer.from(encodeVersion(b))) > 0).toBe(
          expected,
        );
      }),
    );
  });

  test.each([
    [{ epoch: 0, revision: 1, schemaVersion: 1 }],
    [{ epoch: epochMax + 1, revision: 1, schemaVersion: 1 }],
    [{ epoch: 1.5, revision: 1, schemaVersion: 1 }],
    [{ epoch: 1, revision: 0, schemaVersion: 1 }],
    [{ epoch: 1, revision: -1, schemaVersion: 1 }],
    [{ epoch: 1, revision: Number.MAX_SAFE_INTEGER + 1, schemaVersion: 1 }],
    [{ epoch: 1, revision: Number.NaN, schemaVersion: 1 }],
    [{ epoch: 1, revision: 1, schemaVersion: 0 }],
    [{ epoch: 1, revision: 1, schemaVersion: schemaVersionMax + 1 }],
  ])('%j is none', (version) => {
    expect(() => encodeVersion(version)).toThrow(AssertionError);
  });

  test.each([
    [''],
    ['000001.0000000000000001'],
    ['000001.0000000000000001.0001\n'],
    [' 000001.0000000000000001.0001'],
    ['1.1.1'],
    ['000000.0000000000000001.0001'],
    ['000001.0000000000000000.0001'],
    ['000001.0000000000000001.0000'],
    ['000001.9007199254740992.0001'],
    ['000001.00000000000000x1.0001'],
    ['00000١.0000000000000001.0001'],
    [undefined],
    [null],
    [7],
    [{}],
  ])('%j decodes to nothing and throws nothing', (text) => {
    expect(decodeVersion(text)).toBeUndefined();
  });
});
