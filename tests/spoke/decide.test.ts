import { describe, expect, test } from 'vitest';
import { encodeVersion } from '../../contexts/revision.ts';
import { verifierOf } from '../../contexts/secrets.ts';
import { absentHit, failed, type Lookup } from '../../spoke/cache/outcomes.ts';
import { decideCredential, decideKey, decideScope, type RefusalCode } from '../../spoke/decide.ts';
import type { PreparedAgentKey, PreparedCluster, PreparedTenant } from '../../spoke/prepared.ts';

const nowMs = 1_000_000;
const secret = 'the right one';

function held<Value>(value: Value): Lookup<Value> {
  return {
    state: 'present',
    outcome: 'hit',
    value,
    version: encodeVersion({ epoch: 1, revision: 1, schemaVersion: 1 }),
  };
}

function key(changes: Partial<PreparedAgentKey> = {}): PreparedAgentKey {
  const ids = { id: 'aki_1', tenantId: 'ten_1', clusterId: 'vci_1' };
  const rest = {
    verifier: verifierOf(secret),
    expiresAtMs: null,
    permissions: [],
    bounds: undefined,
    scope: undefined,
    told: undefined,
    usedIn: 0,
  };
  return { ...ids, ...rest, status: 'active', ...changes };
}

const goodTenant = held<PreparedTenant>({ status: 'active' });
const badTenant = held<PreparedTenant>({ status: 'suspended' });
const clusterOf = (status: 'active' | 'disabled') =>
  held<PreparedCluster>({ name: 'orders', status, upstreams: [] });
const goodCluster = clusterOf('active');
const badCluster = clusterOf('disabled');

interface Case {
  name: string;
  key?: Lookup<PreparedAgentKey>;
  shows?: string;
  tenant?: Lookup<PreparedTenant>;
  cluster?: Lookup<PreparedCluster>;
  path?: string;
  expected: RefusalCode | 'GRANTED';
}

const expired = { expiresAtMs: nowMs - 1 };
const everythingWrong = { tenant: badTenant, cluster: badCluster, path: 'vci_2' };

const cases: Case[] = [
  { name: 'all is well', expected: 'GRANTED' },
  { name: "its own cluster's path", path: 'vci_1', expected: 'GRANTED' },
  { name: 'not expired yet', key: held(key({ expiresAtMs: nowMs + 1 })), expected: 'GRANTED' },
  { name: 'an unknown key', key: absentHit.unknown, expected: 'NOT_FOUND' },
  { name: 'a revoked key', key: absentHit.tombstone, expected: 'NOT_FOUND' },
  { name: 'a wrong secret', shows: 'a wrong one', expected: 'WRONG_SECRET' },
  {
    name: 'a wrong secret comes before all else',
    shows: 'a wrong one',
    key: held(key({ status: 'disabled', ...expired })),
    ...everythingWrong,
    expected: 'WRONG_SECRET',
  },
  { name: 'expired', key: held(key(expired)), expected: 'EXPIRED' },
  { name: 'expired at this very moment', key: held(key({ expiresAtMs: nowMs })), expected: 'EXPIRED' },
  {
    name: 'expired comes before disabled',
    key: held(key({ status: 'disabled', ...expired })),
    expected: 'EXPIRED',
  },
  { name: 'disabled', key: held(key({ status: 'disabled' })), ...everythingWrong, expected: 'DISABLED' },
  { name: 'tenant suspended', ...everythingWrong, expected: 'TENANT_SUSPENDED' },
  {
    name: 'tenant suspended, cluster unknown',
    tenant: badTenant,
    cluster: absentHit.unknown,
    expected: 'TENANT_SUSPENDED',
  },
  { name: 'cluster disabled', cluster: badCluster, path: 'vci_2', expected: 'CLUSTER_DISABLED' },
  { name: "another cluster's path", path: 'vci_2', expected: 'WRONG_CLUSTER' },
  {
    name: "another cluster's path, nothing arrived",
    path: 'vci_2',
    tenant: absentHit.unknown,
    expected: 'WRONG_CLUSTER',
  },
  { name: 'no cluster', cluster: absentHit.unknown, expected: 'DANGLING' },
  { name: 'a cluster that is gone', cluster: absentHit.tombstone, expected: 'DANGLING' },
  { name: 'no tenant', tenant: absentHit.unknown, expected: 'DANGLING' },
  { name: 'a tenant that is gone', tenant: absentHit.tombstone, expected: 'DANGLING' },
  { name: 'the key cannot be asked for', key: failed.unavailable, expected: 'UNAVAILABLE' },
  { name: 'too many unknown keys', key: failed.overloaded, expected: 'OVERLOADED' },
  { name: 'a table that is not whole', key: failed['not-whole'], expected: 'NOT_WHOLE' },
  { name: 'a key that cannot be decoded', key: failed.undecodable, expected: 'UNDECODABLE' },
  { name: 'a store behind its feed', key: failed.behind, expected: 'BEHIND' },
  { name: 'the tenant cannot be asked for', tenant: failed.unavailable, expected: 'UNAVAILABLE' },
  { name: 'the cluster cannot be asked for', cluster: failed['not-whole'], expected: 'NOT_WHOLE' },
];

describe('the decision', () => {
  test.each(cases)('$name: $expected', (given) => {
    const { shows = secret, tenant = goodTenant, cluster = goodCluster, path, expected } = given;
    const found = given.key ?? held(key());
    const refusal = decideKey(shows, found, nowMs);
    const decision =
      refusal ?? (found.state === 'present' ? decideScope(found.value, tenant, cluster, path) : undefined);
    expect(decision?.outcome === 'refused' ? decision.code : 'GRANTED').toBe(expected);
  });

  test('without a credential there is nothing to look up', () => {
    expect(decideCredential({ state: 'absent' })).toMatchObject({ code: 'NO_CREDENTIAL' });
    expect(decideCredential({ state: 'malformed' })).toMatchObject({ code: 'MALFORMED' });
  });
});
