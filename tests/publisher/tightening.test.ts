import { describe, expect, test } from 'vitest';
import { type Envelope, seal, tombstone } from '../../contexts/envelope.ts';
import type { ContextRef } from '../../contexts/kinds/index.ts';
import type { StoredItem } from '../../contexts/store.ts';
import type { Build } from '../../hub/db/builders/index.ts';
import { tightens } from '../../publisher/sweep/tightening.ts';
import { clusterBody, clusterOf, keyBody, keyOf, tenantBody, tenantOf } from './fake-hub.ts';

const at = { epoch: 1, builtAtMs: 1 };
const [tenant, cluster, key] = [tenantOf('ten_1'), clusterOf('vci_1'), keyOf('aki_1')];

function live(ref: ContextRef, revision: number, body: object): Envelope {
  const sealed = seal({ ...ref, ...at, revision, body });
  if (sealed.outcome !== 'sealed') throw new Error(sealed.reason);
  return sealed.envelope;
}
const stored = (envelope: Envelope): StoredItem => ({ state: 'context', key: envelope.key, envelope });
const corrupt = ({ key: name }: ContextRef): StoredItem => ({
  state: 'corrupt',
  key: name,
  reason: 'hash',
  seen: 'zzz',
});
const build = (ref: ContextRef, body: object): Build => ({
  ref,
  state: 'live',
  envelope: live(ref, 2, body),
  denies: 'status' in body && body.status !== 'active',
  intended: false,
});
const gone = (ref: ContextRef): Build => ({
  ref,
  state: 'gone',
  envelope: tombstone({ ...ref, ...at, revision: 2 }),
  deleted: true,
  intended: false,
});

const noEnd = ({ verifier }: { verifier: string }) => ({ verifier, endsAtMs: null });
const wide = { ...keyBody(), permissions: ['read', 'write'], expiresAtMs: 2000 };

describe('what takes access away', () => {
  const cases: [name: string, build: Build, stored: StoredItem | undefined][] = [
    ['a key that is gone', gone(key), stored(live(key, 1, keyBody()))],
    ['a key that is gone where something unreadable is', gone(key), corrupt(key)],
    [
      'a key whose tombstone is there, for it may not have been announced',
      gone(key),
      stored(tombstone({ ...key, ...at, revision: 2 })),
    ],
    ['a key that is disabled', build(key, keyBody('disabled')), stored(live(key, 1, keyBody()))],
    [
      'a tenant that is suspended',
      build(tenant, { ...tenantBody(), status: 'suspended' }),
      stored(live(tenant, 1, tenantBody())),
    ],
    [
      'a cluster that is disabled',
      build(cluster, { ...clusterBody(), status: 'disabled' }),
      stored(live(cluster, 1, clusterBody())),
    ],
    [
      'a key with another secret',
      build(key, { ...wide, verifier: 'w'.repeat(43) }),
      stored(live(key, 1, wide)),
    ],
    ['a key that ends sooner', build(key, { ...wide, expiresAtMs: 1999 }), stored(live(key, 1, wide))],
    [
      'a key that ends where it did not',
      build(key, wide),
      stored(live(key, 1, { ...wide, expiresAtMs: null })),
    ],
    [
      'a key that is bound to networks',
      build(key, { ...wide, allowedNetworks: ['10.0.0.0/8'] }),
      stored(live(key, 1, wide)),
    ],
    [
      'a key whose network shrinks',
      build(key, { ...wide, allowedNetworks: ['10.0.0.0/9', '192.0.2.0/24'] }),
      stored(live(key, 1, { ...wide, allowedNetworks: ['10.0.0.0/8'] })),
    ],
    [
      'a key whose older secret is gone',
      build(key, wide),
      stored(live(key, 1, { ...wide, verifiers: [wide, { verifier: 'w'.repeat(43) }].map(noEnd) })),
    ],
    [
      'a key that is granted less in a window',
      build(key, { ...wide, rateLimit: { limit: 1, windowMs: 1000 } }),
      stored(live(key, 1, { ...wide, rateLimit: { limit: 2, windowMs: 1000 } })),
    ],
    [
      'a key with a permission less',
      build(key, { ...wide, permissions: ['write', 'delete'] }),
      stored(live(key, 1, wide)),
    ],
  ];
  test.each(cases)('[law 4] %s', (_name, wanted, found) => {
    expect(tightens(wanted, found)).toBe(true);
  });
});

describe('what takes none', () => {
  const cases: [name: string, build: Build, stored: StoredItem | undefined][] = [
    ['a key that is gone and never came', gone(key), undefined],
    ['a new key', build(key, keyBody()), undefined],
    ['a disabled key that never came', build(key, keyBody('disabled')), undefined],
    ['a key that is what it was', build(key, wide), stored(live(key, 1, wide))],
    ['a key that is active again', build(key, keyBody()), stored(live(key, 1, keyBody('disabled')))],
    [
      'a key that is wider and ends later',
      build(key, { ...wide, permissions: ['delete', 'write', 'read'], expiresAtMs: null }),
      stored(live(key, 1, wide)),
    ],
    [
      'a key whose networks and limit grow',
      build(key, {
        ...wide,
        allowedNetworks: ['10.0.0.0/8', '::/0'],
        rateLimit: { limit: 2, windowMs: 1000 },
      }),
      stored(
        live(key, 1, { ...wide, allowedNetworks: ['10.1.0.0/16'], rateLimit: { limit: 1, windowMs: 1000 } }),
      ),
    ],
    ['a key over something unreadable', build(key, wide), corrupt(key)],
    [
      'a cluster that moved upstream',
      build(cluster, clusterBody('https://other.example')),
      stored(live(cluster, 1, clusterBody())),
    ],
    ['what the hub does not know', { ref: key, state: 'unknown' }, stored(live(key, 1, keyBody()))],
    [
      'what must not be published',
      { ref: key, state: 'invalid', revision: 2, reason: 'x' },
      stored(live(key, 1, keyBody())),
    ],
  ];
  test.each(cases)('%s', (_name, wanted, found) => {
    expect(tightens(wanted, found)).toBe(false);
  });
});
