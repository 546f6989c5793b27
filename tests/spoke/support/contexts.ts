import { assert } from '../../../contexts/base/assert.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { type Envelope, seal, tombstone } from '../../../contexts/envelope.ts';
import type { Body, ContextRef, KindName } from '../../../contexts/kinds/index.ts';
import { newSecret, noVerifier, verifierOf } from '../../../contexts/secrets.ts';
import type { Announcement, Store } from '../../../contexts/store.ts';

/** One tenant with one cluster and one key, as the hub would derive them, and the key's secret. */
export interface Demo {
  tenantId: string;
  clusterId: string;
  keyId: string;
  secret: string;
}

let made = 0;

/** Ids that no other demo of this process has. */
export function newDemo(): Demo {
  const digits = String(++made).padStart(26, '0');
  const keyId = `aki_${digits}`;
  return {
    tenantId: `ten_${digits}`,
    clusterId: `vci_${digits}`,
    keyId,
    secret: newSecret('agentKey', keyId, systemRandom),
  };
}

export function context<Kind extends KindName>(
  kind: Kind,
  key: string,
  revision: number,
  body: Body<Kind>,
): Envelope {
  const sealed = seal({ kind, key, epoch: 1, revision, body, builtAtMs: 0 });
  assert(sealed.outcome === 'sealed', `the sample is not valid: ${'reason' in sealed && sealed.reason}`);
  return sealed.envelope;
}

export function gone(kind: KindName, key: string, revision: number): Envelope {
  return tombstone({ kind, key, epoch: 1, revision, builtAtMs: 0 });
}

export function tenantContext(demo: Demo, revision: number, changes: Partial<Body<'tenant'>> = {}): Envelope {
  return context('tenant', demo.tenantId, revision, { name: 'Acme', status: 'active', ...changes });
}

export function clusterContext(
  demo: Demo,
  revision: number,
  changes: Partial<Body<'cluster'>> = {},
): Envelope {
  const { tenantId, clusterId } = demo;
  const body: Body<'cluster'> = {
    tenantId,
    name: 'orders',
    status: 'active',
    upstreamUrl: 'http://127.0.0.1:9',
    settings: {},
  };
  return context('cluster', clusterId, revision, { ...body, ...changes });
}

export function keyContext(demo: Demo, revision: number, changes: Partial<Body<'agent-key'>> = {}): Envelope {
  const { tenantId, clusterId, keyId, secret } = demo;
  const body: Body<'agent-key'> = {
    tenantId,
    clusterId,
    verifier: verifierOf(secret),
    status: 'active',
    expiresAtMs: null,
    permissions: ['produce', 'consume'],
  };
  return context('agent-key', keyId, revision, { ...body, ...changes });
}

/** As {@link keyContext}, of a key that is bound to networks: its verifier is not where older gateways look. */
export function boundKeyContext(
  demo: Demo,
  revision: number,
  allowedNetworks: string[],
  changes: Partial<Body<'agent-key'>> = {},
): Envelope {
  const verifiers = [{ verifier: verifierOf(demo.secret), endsAtMs: null }];
  return keyContext(demo, revision, { verifier: noVerifier, verifiers, allowedNetworks, ...changes });
}

export function allOf(demo: Demo, revision: number, cluster: Partial<Body<'cluster'>> = {}): Envelope[] {
  return [tenantContext(demo, revision), clusterContext(demo, revision, cluster), keyContext(demo, revision)];
}

export function refOf({ kind, key }: Envelope): ContextRef {
  return { kind, key };
}

export function announcementOf(envelope: Envelope): Announcement {
  return { ...refOf(envelope), version: envelope.version, tombstone: envelope.bodyText === null };
}

/** Puts and announces, as a publisher does. */
export async function publish(store: Store, ...envelopes: readonly Envelope[]): Promise<void> {
  for (const envelope of envelopes) await store.put(envelope);
  await store.announce(envelopes.map(announcementOf), 0);
}

export const owner = { environment: 'test', region: 'eu-west-1', hubId: 'hub-1' };

/** Makes the table, whole unless told otherwise. */
export async function initialise(
  store: Store,
  options: { incarnation?: string; whole?: boolean; region?: string } = {},
): Promise<void> {
  const { incarnation = 'inc-1', whole = true, region = owner.region } = options;
  const identity = await store.initialise({ ...owner, region }, { shards: 4, newIncarnation: incarnation });
  if (whole) await store.setWhole(identity.incarnation, true);
}
