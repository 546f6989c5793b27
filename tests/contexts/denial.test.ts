import { describe, expect, test } from 'vitest';
import { denies, mayAllow, sealDenial } from '../../contexts/denial.ts';
import { open, seal, tombstone } from '../../contexts/envelope.ts';
import { type KindName, kindNames, kinds } from '../../contexts/kinds/index.ts';
import { limits } from '../../contexts/limits.ts';
import { clusterBody, keyBody } from '../publisher/fake-hub.ts';

const nowMs = 1_900_000_000_000;
const version = { epoch: 1, revision: 7, builtAtMs: nowMs };
const named = (kind: KindName) => ({ kind, key: 'k1', ...version });
const bodyOf = (envelope: Parameters<typeof open>[0]) => {
  const opened = open(envelope);
  return opened.outcome === 'live' ? (opened.body as Record<string, unknown>) : undefined;
};

/** Nobody is let through by a heartbeat, and nobody denied. */
const denying = kindNames.filter((kind) => kind !== 'heartbeat');

describe.each(denying)('%s', (kind) => {
  test('the denial of the kind is valid, and denies', () => {
    expect(seal({ ...named(kind), body: kinds[kind].denial }).outcome).toBe('sealed');
    expect(denies(kind, kinds[kind].denial, nowMs)).toBe(true);
  });

  test('what is not known to deny does not', () => {
    for (const body of [undefined, null, 'x', {}, { status: 7 }, { status: 'active' }])
      expect(denies(kind, body, nowMs), JSON.stringify(body)).toBe(false);
  });

  test('[law 9] a denial whose other fields are all broken still is one', () => {
    const { status } = kinds[kind].denial;
    const broken = Object.fromEntries(Object.keys(kinds[kind].denial).map((name) => [name, { not: 'this' }]));
    const envelope = sealDenial({ ...named(kind), body: { ...broken, status } });
    expect(denies(kind, bodyOf(envelope), nowMs)).toBe(true);
    expect(envelope.version).toBe(tombstone(named(kind)).version);
  });
});

test('fields that are valid are kept, so that callers are told the same reason', () => {
  const body = { ...keyBody(), status: 'disabled', permissions: [''] };
  const stood = bodyOf(sealDenial({ ...named('agent-key'), body }));
  expect(stood).toEqual({ ...body, permissions: [] });
});

test('what is too large is left out', () => {
  const settings = { much: 'x'.repeat(limits.bodyBytesMax) };
  const body = { ...clusterBody(), status: 'disabled', settings };
  expect(seal({ ...named('cluster'), body }).outcome).toBe('invalid');
  expect(bodyOf(sealDenial({ ...named('cluster'), body }))).toEqual(kinds.cluster.denial);
});

test('an expired key denies by the clock, also one whose expiry is to come no more', () => {
  const body = { ...keyBody(), expiresAtMs: nowMs };
  expect(denies('agent-key', body, nowMs)).toBe(true);
  expect(denies('agent-key', body, nowMs - 1)).toBe(false);
});

test('a key that may be used from nowhere denies; one that may be used from less does not', () => {
  expect(denies('agent-key', { ...keyBody(), allowedNetworks: [] }, nowMs)).toBe(true);
  expect(denies('agent-key', { ...keyBody(), allowedNetworks: ['192.0.2.1/32'] }, nowMs)).toBe(false);
  expect(denies('agent-key', { ...keyBody(), allowedNetworks: 'nowhere' }, nowMs)).toBe(false);
});

test('what may allow: anything but nothing, a tombstone and a denial', () => {
  const sealed = (body: unknown) => {
    const outcome = seal({ ...named('agent-key'), body });
    if (outcome.outcome !== 'sealed') throw new Error(outcome.reason);
    return { state: 'context', key: 'k1', envelope: outcome.envelope } as const;
  };
  const body = keyBody();
  const gone = { state: 'context', key: 'k1', envelope: tombstone(named('agent-key')) } as const;
  const corrupt = { state: 'corrupt', key: 'k1', reason: 'hash', seen: undefined } as const;
  expect(mayAllow(undefined, nowMs)).toBe(false);
  expect(mayAllow(gone, nowMs)).toBe(false);
  expect(mayAllow(sealed({ ...body, status: 'disabled' }), nowMs)).toBe(false);
  expect(mayAllow(sealed({ ...body, expiresAtMs: null }), nowMs)).toBe(true);
  expect(mayAllow(corrupt, nowMs)).toBe(true);
});
