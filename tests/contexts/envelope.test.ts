import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../contexts/base/assert.ts';
import {
  canonicalJson,
  contentHash,
  decodeEnvelope,
  type Envelope,
  open,
  seal,
  tombstone,
} from '../../contexts/envelope.ts';
import { kindNames } from '../../contexts/kinds/index.ts';
import { limits } from '../../contexts/limits.ts';
import { tenantEnvelope, tenantTombstone, versionText } from '../support/samples.ts';

const input = { kind: 'tenant', key: 'ten_1', epoch: 1, revision: 7, builtAtMs: 1_000 } as const;

describe('sealing', () => {
  test('a valid body is sealed, and opens as it was, unknown fields included', () => {
    const body = { name: 'Acme', status: 'active', addedLater: { deep: [1, null, 'x'] } };
    const sealed = seal({ ...input, body });
    expect(sealed).toMatchObject({
      outcome: 'sealed',
      envelope: { kind: 'tenant', key: 'ten_1', version: versionText(7), builtAtMs: 1_000 },
    });
    if (sealed.outcome === 'sealed') expect(open(sealed.envelope)).toEqual({ outcome: 'live', body });
  });

  test.each([
    ['a field missing', { name: 'Acme' }, 'status'],
    ['a blank field', { name: '', status: 'active' }, 'name'],
    ['an unknown value', { name: 'Acme', status: 'asleep' }, 'status'],
    ['no object', 'Acme', 'body'],
    ['nothing', undefined, 'body'],
    ['null', null, 'body'],
  ])('%s is invalid and the reason names where', (_what, body, where) => {
    expect(seal({ ...input, body })).toEqual({ outcome: 'invalid', reason: expect.stringContaining(where) });
  });

  test('[law 8] the limit is in bytes, and exact', () => {
    const overhead = Buffer.byteLength(canonicalJson({ name: '', status: 'active' }));
    const body = (name: string) => ({ name, status: 'active' });
    expect(seal({ ...input, body: body('x'.repeat(limits.bodyBytesMax - overhead)) }).outcome).toBe('sealed');
    expect(seal({ ...input, body: body('x'.repeat(limits.bodyBytesMax - overhead + 1)) })).toEqual({
      outcome: 'invalid',
      reason: expect.stringContaining(`${limits.bodyBytesMax + 1} bytes`),
    });
    expect(seal({ ...input, body: body('ü'.repeat(limits.bodyBytesMax / 2)) }).outcome).toBe('invalid');
  });

  test('a malformed key, revision or epoch is a programming error', () => {
    const body = { name: 'Acme', status: 'active' };
    expect(() => seal({ ...input, key: 'UPPER', body })).toThrow(AssertionError);
    expect(() => seal({ ...input, revision: 0, body })).toThrow(AssertionError);
    expect(() => tombstone({ ...input, epoch: 0 })).toThrow(AssertionError);
  });

  test('equal content has equal bytes, however its fields were ordered', () => {
    const one = seal({ ...input, body: { name: 'Acme', status: 'active', extra: { a: 1, b: 2 } } });
    const two = seal({ ...input, body: { extra: { b: 2, a: 1 }, status: 'active', name: 'Acme' } });
    expect(one).toEqual(two);
  });

  test('a tombstone opens as one', () => {
    expect(open(tombstone(input))).toEqual({ outcome: 'tombstone' });
  });
});

describe('canonical JSON', () => {
  test.each([
    [{ b: 1, a: 2 }, '{"a":2,"b":1}'],
    [{ b: { d: 1, c: [{ f: 1, e: 2 }] }, a: null }, '{"a":null,"b":{"c":[{"e":2,"f":1}],"d":1}}'],
    [[3, 1, 2], '[3,1,2]'],
    [{ a: undefined, b: 1 }, '{"b":1}'],
    [{ ü: 1, z: 2, Z: 3 }, '{"Z":3,"z":2,"ü":1}'],
    ['text', '"text"'],
    [{}, '{}'],
  ])('%j is %s', (value, expected) => {
    expect(canonicalJson(value)).toBe(expected);
  });

  test('means the same as the value, and does not depend on the order of fields', () => {
    const shuffled = (value: unknown): unknown => {
      if (value === null || typeof value !== 'object') return value;
      if (Array.isArray(value)) return value.map(shuffled);
      const entries = Object.entries(value).map(([name, member]) => [name, shuffled(member)] as const);
      return Object.fromEntries(entries.toReversed());
    };
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(shuffled(value))).toBe(text);
        expect(canonicalJson(JSON.parse(text))).toBe(text);
      }),
    );
  });
});

describe('decoding what a store holds', () => {
  const live = tenantEnvelope('ten_1', 7);

  test.each([
    ['a live context', live],
    ['a tombstone', tenantTombstone('ten_1', 7)],
  ])('%s comes back as it was', (_what, envelope) => {
    expect(decodeEnvelope({ ...envelope })).toEqual({ outcome: 'decoded', envelope });
  });

  test.each([
    ['kind', { kind: 'cluster' }],
    ['kind', { kind: 'no-such-kind' }],
    ['kind', { kind: '__proto__' }],
    ['kind', { kind: 7 }],
    ['key', { key: 'ten_2' }],
    ['key', { key: 'TEN_1' }],
    ['key', { key: undefined }],
    ['version', { version: versionText(8) }],
    ['version', { version: versionText(7, 2) }],
    ['version', { version: 'newest' }],
    ['version', { version: undefined }],
    ['hash', { hash: live.hash.toLowerCase() }],
    ['hash', { hash: undefined }],
    ['bodyText', { bodyText: `${live.bodyText} ` }],
    ['bodyText', { bodyText: null }],
    ['bodyText', { bodyText: undefined }],
    ['bodyText', { bodyText: 7 }],
  ])('a changed %s shows: %j', (_field, changes) => {
    const decoded = decodeEnvelope({ ...live, ...changes });
    expect(decoded).toEqual({ outcome: 'corrupt', reason: expect.stringMatching(/^\w+: .+/) });
  });

  test('a tombstone given a body shows', () => {
    const { outcome } = decodeEnvelope({ ...tenantTombstone('ten_1', 7), bodyText: live.bodyText });
    expect(outcome).toBe('corrupt');
  });

  test('any single character changed in the body shows', () => {
    const bodyText = live.bodyText ?? '';
    fc.assert(
      fc.property(fc.nat(bodyText.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, character) => {
        fc.pre(bodyText[at] !== character);
        const changed = bodyText.slice(0, at) + character + bodyText.slice(at + 1);
        expect(decodeEnvelope({ ...live, bodyText: changed }).outcome).toBe('corrupt');
      }),
    );
  });

  test('when it was built is told to people only: nonsense there is 0', () => {
    expect(decodeEnvelope({ ...live, builtAtMs: 'yesterday' })).toEqual({
      outcome: 'decoded',
      envelope: { ...live, builtAtMs: 0 },
    });
  });

  test('whatever is stored, nothing is thrown', () => {
    const anything = fc.anything();
    const fields = fc.record({
      kind: fc.oneof(anything, fc.constantFrom(...kindNames)),
      key: anything,
      version: anything,
      hash: anything,
      bodyText: anything,
      builtAtMs: anything,
    });
    fc.assert(fc.property(fields, (stored) => decodeEnvelope(stored).outcome === 'corrupt'));
  });
});

describe('opening', () => {
  const withBody = (bodyText: string): Envelope => ({ ...tenantEnvelope('ten_1', 7), bodyText });

  test.each([
    ['{', 'not JSON'],
    ['', 'not JSON'],
    ['null', 'body'],
    ['{"name":"","status":"active"}', 'name'],
    ['{"name":"Acme","status":"asleep"}', 'status'],
  ])('the body %s is undecodable, whoever hashed it', (bodyText, reason) => {
    expect(open(withBody(bodyText))).toEqual({
      outcome: 'undecodable',
      reason: expect.stringContaining(reason),
    });
  });

  test('a body of a newer schema version, with more in it, is read', () => {
    const body = { name: 'Acme', status: 'active', tier: 'gold' };
    expect(open(withBody(canonicalJson(body)))).toEqual({ outcome: 'live', body });
  });
});

describe('the content hash', () => {
  test('tells a tombstone from an empty body, and parts from one another', () => {
    const version = versionText(1);
    const hashes = [
      contentHash('tenant', 'a', version, null),
      contentHash('tenant', 'a', version, ''),
      contentHash('tenant', 'a', version, 'tombstone'),
      contentHash('tenan', 'ta', version, null),
      contentHash('tenant', 'b', version, null),
      contentHash('tenant', 'a', versionText(2), null),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});
