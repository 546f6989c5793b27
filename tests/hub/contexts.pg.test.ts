import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { seal } from '../../contexts/envelope.ts';
import type { ContextRef } from '../../contexts/kinds/index.ts';
import { decodeVersion } from '../../contexts/revision.ts';
import { type Store, StoreError } from '../../contexts/store.ts';
import { MemoryStore } from '../../contexts/stores/memory.ts';
import { buildContexts } from '../../hub/db/builders/index.ts';
import { connect, type Database } from '../../hub/db/client.ts';
import { beat } from '../../hub/db/heartbeats.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

let hub: TestHub;
let database: Database;
const stores = new Map<string, MemoryStore>();
/** Tables that fail, or never answer. */
const broken = new Map<string, () => Promise<never>>();

/** A region's store in memory, which a test can break. */
function openStore(table: string): Store {
  const store = stores.get(table)!;
  return Object.assign(Object.create(store) as Store, {
    read: (refs: readonly ContextRef[]) => broken.get(table)?.() ?? store.read(refs),
    [Symbol.asyncDispose]: async () => {},
  });
}

let hubId: string;
let cluster: string;
let key: { id: string };
let tenant: string;

beforeAll(async () => {
  hub = await startHub({
    environment: { SPOKECAST_STORE_READ_TIMEOUT_MS: '200' },
    openStore: ({ table }) => openStore(table) as never,
  });
  database = connect(hub.databaseUrl, { applicationName: 'test', max: 2 });
  hubId = (await database.sql`select hub_id from hub_state`)[0]!.hub_id;
  for (const id of ['north', 'south']) await region(id);
  tenant = await make.tenant(hub.owner, 'Acme');
  cluster = await make.cluster(hub.owner, tenant, ['north']);
  key = await make.agentKey(hub.owner, cluster);
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
});

async function region(id: string, owner = { environment: 'dev', region: id, hubId }): Promise<MemoryStore> {
  const store = new MemoryStore({});
  stores.set(`spokecast-test-${id}`, store);
  await store.initialise(owner, { shards: 1, newIncarnation: `of-${id}` });
  await make.region(hub.owner, id);
  return store;
}

/** Publishes a context as the hub derives it now. */
async function publish(id: string, ref: ContextRef): Promise<void> {
  const [build] = await buildContexts(database.db, id, [ref], systemClock);
  if (build!.state !== 'live' && build!.state !== 'gone') throw new Error(build!.state);
  await stores.get(`spokecast-test-${id}`)!.put(build!.envelope);
}

async function look(kind: string, id: string, where = 'north') {
  const { body } = await hub.owner.get(`/v1/contexts/${kind}/${id}`);
  return body.regions.find((each: { region: string }) => each.region === where);
}

describe('GET /v1/contexts/{kind}/{key}', () => {
  test('[law 10] tells no verifier, neither of the present secret nor of those before it', async () => {
    const { id } = await make.agentKey(hub.owner, cluster, { allowedNetworks: ['192.0.2.0/24'] });
    await hub.owner.post(`/v1/agent-keys/${id}/rotate`, { graceSeconds: 3600 });
    const { derived } = await look('agent-key', id);
    expect(derived.body).toMatchObject({ clusterId: cluster, allowedNetworks: ['192.0.2.0/24'] });
    const [row] =
      await database.sql`select restricted_verifier as present, retiring from agent_keys where id = ${id}`;
    for (const verifier of [row!.present, row!.retiring[0].verifier])
      expect(JSON.stringify(derived)).not.toContain(verifier);
  });

  test('tells missing, in-sync, stale and gone', async () => {
    const { id } = await make.agentKey(hub.owner, cluster);
    const ref = { kind: 'agent-key', key: id } as const;
    expect(await look('agent-key', id)).toMatchObject({
      state: 'missing',
      derived: { state: 'live' },
      stored: { state: 'absent' },
    });
    expect(await look('agent-key', id, 'south')).toMatchObject({
      state: 'in-sync',
      derived: { state: 'gone' },
      stored: { state: 'absent' },
    });

    await publish('north', ref);
    const inSync = await look('agent-key', id);
    expect(inSync).toMatchObject({
      state: 'in-sync',
      stored: { state: 'live', version: inSync.derived.version, hash: inSync.derived.hash },
    });
    expect(inSync.derived.body).toMatchObject({ clusterId: cluster, status: 'active' });
    expect(JSON.stringify(inSync)).not.toContain('verifier');

    await hub.owner.patch(`/v1/agent-keys/${id}`, { status: 'disabled' });
    expect((await look('agent-key', id)).state).toBe('stale');
    await hub.owner.delete(`/v1/agent-keys/${id}`);
    expect(await look('agent-key', id)).toMatchObject({
      state: 'stale',
      derived: { state: 'gone' },
      stored: { state: 'live' },
    });
    await publish('north', ref);
    expect(await look('agent-key', id)).toMatchObject({ state: 'in-sync', stored: { state: 'tombstone' } });
    expect((await hub.owner.get(`/v1/contexts/agent-key/${id}`)).body.head).toMatchObject({ deleted: true });
  });

  test('tells what is ahead, corrupt or an orphan', async () => {
    const ref = { kind: 'agent-key', key: key.id } as const;
    await publish('north', ref);
    const store = stores.get('spokecast-test-north')!;
    const { derived } = await look('agent-key', key.id);
    const { epoch, revision } = decodeVersion(derived.version)!;
    const sealed = seal({
      ...ref,
      epoch,
      revision: revision + 5,
      body: { ...derived.body, verifier: 'v'.repeat(43) },
      builtAtMs: 1,
    });
    if (sealed.outcome !== 'sealed') throw new Error(sealed.reason);
    await store.put(sealed.envelope);
    expect((await look('agent-key', key.id)).state).toBe('ahead');

    const orphan = { kind: 'tenant', key: 'ten_00000000000000000000000000' } as const;
    const unknown = seal({
      ...orphan,
      epoch: 1,
      revision: 1,
      body: { name: 'nobody', status: 'active' },
      builtAtMs: 1,
    });
    if (unknown.outcome !== 'sealed') throw new Error(unknown.reason);
    await store.put(unknown.envelope);
    expect(await look('tenant', orphan.key)).toMatchObject({
      state: 'orphan',
      derived: { state: 'unknown' },
    });

    await publish('north', { kind: 'cluster', key: cluster });
    store.table.edit({ kind: 'cluster', key: cluster }, { hash: 'edited' });
    expect(await look('cluster', cluster)).toMatchObject({
      state: 'corrupt',
      stored: { state: 'corrupt', reason: expect.stringContaining('hash') },
    });
  });

  test('tells stores that fail, hang, are not set up or belong to someone else apart, and waits for none of them', async () => {
    await region('failing');
    await region('hanging');
    await region('foreign', { environment: 'prod', region: 'foreign', hubId });
    stores.set('spokecast-test-bare', new MemoryStore({}));
    await make.region(hub.owner, 'bare');
    await region('off');
    await hub.owner.patch('/v1/regions/off', { status: 'disabled' });
    broken.set('spokecast-test-failing', () =>
      Promise.reject(new StoreError('STORE_UNAVAILABLE', 'connect ECONNREFUSED 10.1.2.3')),
    );
    broken.set('spokecast-test-hanging', () => new Promise(() => {}));

    const answer = await hub.owner.get(`/v1/contexts/cluster/${cluster}`);
    expect(JSON.stringify(answer.body)).not.toContain('10.1.2.3');
    const state = (id: string) => answer.body.regions.find((each: { region: string }) => each.region === id);
    for (const id of ['failing', 'hanging'])
      expect(state(id)).toMatchObject({
        state: 'unreachable',
        stored: null,
        detail: 'the store does not answer',
      });
    expect(state('foreign')).toMatchObject({
      state: 'unreachable',
      detail: expect.stringContaining('belongs to another'),
    });
    expect(state('bare')).toMatchObject({
      state: 'unreachable',
      detail: expect.stringContaining('not been set up'),
    });
    expect(state('off')).toMatchObject({ state: 'unreachable', detail: expect.stringContaining('disabled') });
    expect(state('south').state).toBe('in-sync');
    for (const id of ['failing', 'hanging', 'foreign', 'bare', 'off'])
      await hub.owner.delete(`/v1/regions/${id}`);
    broken.clear();
  });

  test('is 404 for what neither hub nor stores know, for other kinds and for malformed keys', async () => {
    expect((await hub.owner.get('/v1/contexts/agent-key/aki_00000000000000000000000000')).status).toBe(404);
    expect((await hub.owner.get('/v1/contexts/planet/mars')).status).toBe(404);
    expect((await hub.owner.get('/v1/contexts/tenant/UPPER')).status).toBe(404);
  });

  test("shows a tenant its own contexts only, among them its cluster's after it is deleted", async () => {
    const other = await make.tenant(hub.owner);
    const mine = await make.cluster(hub.owner, tenant, ['north']);
    const theirs = await make.cluster(hub.owner, other, ['north']);
    const viewer = hub.as(
      (await make.applicationKey(hub.owner, { role: 'viewer', tenantId: tenant })).secret,
    );
    expect((await viewer.get(`/v1/contexts/tenant/${tenant}`)).status).toBe(200);
    expect((await viewer.get(`/v1/contexts/tenant/${other}`)).status).toBe(404);
    expect((await viewer.get(`/v1/contexts/cluster/${theirs}`)).status).toBe(404);
    await hub.owner.delete(`/v1/clusters/${mine}`);
    expect((await viewer.get(`/v1/contexts/cluster/${mine}`)).body.head.deleted).toBe(true);
  });

  test("shows the platform's keys each region's heartbeat, and a tenant's none", async () => {
    await beat(database.db, ['north', 'south'], 1000);
    const ref = { kind: 'heartbeat', key: 'north' } as const;
    expect(await look('heartbeat', 'north')).toMatchObject({ state: 'missing', derived: { state: 'live' } });
    await publish('north', ref);
    const { derived, ...held } = await look('heartbeat', 'north');
    expect(held).toMatchObject({ state: 'in-sync', stored: { state: 'live' } });
    expect(Math.abs(derived.body.atMs - systemClock.now())).toBeLessThan(60_000);
    expect(await look('heartbeat', 'north', 'south')).toMatchObject({
      state: 'in-sync',
      stored: { state: 'absent' },
    });
    const viewer = hub.as(
      (await make.applicationKey(hub.owner, { role: 'viewer', tenantId: tenant })).secret,
    );
    expect((await viewer.get('/v1/contexts/heartbeat/north')).status).toBe(404);
  });
});

describe('POST /v1/contexts/{kind}/{key}/refresh', () => {
  test('puts the context into the outbox, in the state it is in', async () => {
    const sql = postgres(hub.databaseUrl, { max: 1 });
    const before = (await hub.owner.get(`/v1/contexts/cluster/${cluster}`)).body.head;
    const answer = await hub.owner.post(`/v1/contexts/cluster/${cluster}/refresh`);
    expect(answer).toMatchObject({
      status: 202,
      body: { kind: 'cluster', key: cluster, status: 'requested' },
    });
    const rows = await sql`select cause from outbox where key = ${cluster} order by id desc limit 1`;
    await sql.end();
    expect(rows).toMatchObject([{ cause: 'request' }]);
    expect((await hub.owner.get(`/v1/contexts/cluster/${cluster}`)).body.head).toEqual(before);
    const log = await hub.owner.get(`/v1/audit-log?resourceId=cluster/${cluster}`);
    expect(log.body.items).toMatchObject([{ action: 'context.refresh' }]);
  });

  test('is 404 for what the hub has never heard of', async () => {
    expect((await hub.owner.post('/v1/contexts/cluster/vci_00000000000000000000000000/refresh')).status).toBe(
      404,
    );
  });
});

describe('GET /v1/tenants/{id}/residency', () => {
  test('tells from the stores where everything of a tenant is, and what nobody can tell', async () => {
    const { body: made } = await hub.owner.post('/v1/tenants', {
      name: 'Resident',
      allowedRegions: ['north'],
    });
    const placed = await make.cluster(hub.owner, made.id, ['north']);
    const { id: keyId } = await make.agentKey(hub.owner, placed);
    const refs = [
      { kind: 'agent-key', key: keyId },
      { kind: 'tenant', key: made.id },
      { kind: 'cluster', key: placed },
    ] as const;
    for (const ref of refs) {
      await publish('north', ref);
      await publish('south', ref); // a tombstone
    }
    const path = `/v1/tenants/${made.id}/residency`;
    const proven = { regions: ['north'], outside: [], unproven: [] };
    expect((await hub.owner.get(path)).body).toEqual({
      items: refs.map((ref) => ({ ...ref, ...proven })),
      nextCursor: null,
    });

    // As somebody would have copied it there by hand, newer than the tombstone.
    const [build] = await buildContexts(database.db, 'north', [refs[2]], systemClock);
    if (build!.state !== 'live') throw new Error(build!.state);
    const { epoch, revision } = decodeVersion(build!.envelope.version)!;
    const sealed = seal({
      ...{ kind: 'cluster', key: placed, epoch, revision: revision + 1, builtAtMs: 0 },
      body: JSON.parse(build!.envelope.bodyText!),
    });
    if (sealed.outcome !== 'sealed') throw new Error(sealed.reason);
    await stores.get('spokecast-test-south')!.put(sealed.envelope);
    const pages = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body } = await hub.owner.get(`${path}?limit=1${cursor && `&cursor=${cursor}`}`);
      pages.push(...body.items);
      cursor = body.nextCursor;
    }
    expect(pages).toEqual([
      { ...refs[0], ...proven },
      { ...refs[1], ...proven },
      { ...refs[2], regions: ['north', 'south'], outside: ['south'], unproven: [] },
    ]);

    broken.set('spokecast-test-south', () => Promise.reject(new StoreError('STORE_UNAVAILABLE', 'gone')));
    const { body } = await hub.owner.get(path);
    broken.delete('spokecast-test-south');
    expect(body.items[2]).toEqual({ ...refs[2], regions: ['north'], outside: [], unproven: ['south'] });
  });
});
