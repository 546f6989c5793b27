import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exitCodes } from '../../infra/bin/exit-codes.ts';
import type { Client } from '../hub/support/client.ts';
import { runCli } from '../infra/support/cli.ts';
import { type HubAndSpokes, until } from './support/hub-and-spokes.ts';
import { OperatedWheel } from './support/operated.ts';

/** Two publishers, so that what one is told the other must know. */
describe('the freeze switch', () => {
  let it: OperatedWheel;
  let wheel: HubAndSpokes;
  let owner: Client;
  beforeAll(async () => {
    it = await OperatedWheel.start({ publishers: 2, gateway: { SPOKECAST_IMPORTED_KEYS: 'looked-up' } });
    ({
      wheel,
      hub: { owner },
    } = it);
  });
  afterAll(() => it[Symbol.asyncDispose]());

  const modes = (region: string) =>
    Promise.all(
      wheel.publishers.map(async ({ app }) => {
        const { regions } = (await (await app.request('/readyz')).json()) as {
          regions: { id: string; frozen: string | null }[];
        };
        return regions.find(({ id }) => id === region)!.frozen;
      }),
    );
  const everyPublisherSees = (region: string, mode: string | null) =>
    until(async () => (await modes(region)).every((seen) => seen === mode), `frozen: ${mode}`);
  const frozenMetric = async () => {
    const { app } = wheel.publishers[0]!;
    const text = await (await app.request('/metrics')).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith('spokecast_region_frozen') && line.endsWith(' 1'));
  };

  test('[law 9] stops what loosens in one region within a second, lets revocations through, and thaws by itself', async () => {
    const { keys, ids, clusterId } = await it.keysOf(3);
    const path = `/v1/regions/${it.region}/freeze`;
    const set = await owner.send('PUT', path, { body: { reason: 'incident 4711' } });
    expect(set.body).toMatchObject({ region: it.region, mode: 'loosening', reason: 'incident 4711' });
    await everyPublisherSees(it.region, 'loosening');
    expect(await modes(it.elsewhere)).toEqual([null, null]);
    expect(await frozenMetric()).toEqual([
      `spokecast_region_frozen{region="${it.region}",mode="loosening"} 1`,
    ]);
    expect(await it.publishing()).toMatchObject({ freeze: { reason: 'incident 4711' } });

    const key = wheel.mintKey();
    await wheel.insertKey(clusterId, key);
    await wheel.sql`insert into placements (cluster_id, region) values (${clusterId}, ${it.elsewhere})`;
    await wheel.becomes(it.elsewhere, key.secret, 200); // the others go on
    await wheel.sql`delete from agent_keys where id = ${ids[0]!}`;
    await wheel.becomes(it.region, keys[0]!.secret, 401);
    await wheel.sql`update agent_keys set status = 'disabled' where id = ${ids[1]!}`;
    await wheel.becomes(it.region, keys[1]!.secret, 403);
    await wheel.sql`delete from placements where cluster_id = ${clusterId} and region = ${it.region}`;
    await wheel.idle();
    expect(await it.answers([keys[2]!])).toEqual([200]); // it moved; that is no revocation
    await wheel.sql`insert into placements (cluster_id, region) values (${clusterId}, ${it.region})`;
    await wheel.idle();
    expect(await it.answers([key])).toEqual([401]);
    expect((await it.sweep()).counts).toMatchObject({ frozen: expect.any(Number), written: 0, missing: 0 });
    expect((await it.sweep()).counts.frozen).toBeGreaterThan(0);

    expect((await owner.delete(path)).status).toBe(204);
    await wheel.becomes(it.region, key.secret, 200);
    await everyPublisherSees(it.region, null);
    await it.converges();
  });

  test('[law 9] what revokes under a freeze is within the budget all the same', async () => {
    const { keys, ids } = await it.keysOf(30);
    await owner.send('PUT', '/v1/freeze');
    await everyPublisherSees(it.region, 'loosening');
    await wheel.sql`delete from agent_keys where id = any(${ids})`;
    await it.isHeld(30);
    expect(await it.answers(keys)).toEqual([200]);
    await owner.delete('/v1/freeze');
    await it.approve(await it.sweep());
    await it.allBecome(keys, 401);
    await it.converges();
  });

  test('with `mode: all` stops revocations and sweeps as well, in every region, and says so', async () => {
    const { keys, ids } = await it.keysOf(2);
    expect((await owner.send('PUT', '/v1/freeze', { body: { mode: 'all' } })).body).toMatchObject({
      region: null,
      mode: 'all',
    });
    await Promise.all([it.region, it.elsewhere].map((region) => everyPublisherSees(region, 'all')));
    await wheel.sql`delete from agent_keys where id = ${ids[0]!}`;
    await wheel.idle();
    expect(await it.answers(keys)).toEqual([200]);
    expect(await it.sweep()).toMatchObject({ status: 'failed', error: expect.stringContaining('is frozen') });
    // A publisher that starts now obeys from its first moment.
    const late = await wheel.addPublisher();
    await until(async () => late.regions.get(it.region)?.state === 'open', 'the region is open');
    expect((await modes(it.region)).at(-1)).toBe('all');
    await wheel.idle();
    expect(await it.answers(keys)).toEqual([200]);
    await wheel.removePublisher(late);
    await owner.send('PUT', '/v1/freeze', { body: { mode: 'loosening' } });
    await wheel.becomes(it.region, keys[0]!.secret, 401);
    await owner.delete('/v1/freeze');
    expect((await owner.get('/v1/freeze')).body).toEqual({ everywhere: null, regions: [] });
    await everyPublisherSees(it.region, null);
    const log = (await owner.get('/v1/audit-log?resourceType=freeze&resourceId=*')).body.items;
    expect(log.slice(0, 3).map(({ action }: { action: string }) => action)).toEqual([
      ...['freeze.delete', 'freeze.update', 'freeze.create'],
    ]);
  });

  test('lets a put that is under way end, and begins no other', async () => {
    const { clusterId } = await it.keysOf(1);
    const keys = Array.from({ length: 200 }, () => wheel.mintKey());
    const { proxy } = wheel.spoke(it.region);
    const held = proxy.hold({ operation: 'PutItem', where: ({ body }) => body.includes('agent-key#') });
    await wheel.sql.begin(async (sql) => {
      for (const key of keys) await wheel.insertKey(clusterId, key, sql);
    });
    await held.gate.reached();
    await owner.send('PUT', `/v1/regions/${it.region}/freeze`, { body: { mode: 'all' } });
    await everyPublisherSees(it.region, 'all');
    const before = await it.stored();
    const inFlight = held.hits;
    held.end();
    held.gate.open();
    await wheel.idle();
    const after = await it.stored();
    expect(after.size - before.size).toBeLessThanOrEqual(inFlight);
    expect(inFlight).toBeLessThan(keys.length);
    await owner.delete(`/v1/regions/${it.region}/freeze`);
    await it.allBecome(keys, 200);
    await it.converges();
  });

  test('[law 10] an agent goes on with the secret that another system made, once its import is no longer frozen', async () => {
    const { clusterId } = await it.keysOf(1);
    const secret = `legacy:${'Zm9vYmFyYmF6cXV4Zm9vYmFy'}!`;
    const environment = { SPOKECAST_HUB_URL: it.hub.url, SPOKECAST_APPLICATION_KEY: owner.secret! };
    const imported = () =>
      runCli(environment, [
        ...['agent-keys', 'import', '--cluster-id', clusterId, '--name', 'agent 7', '--json'],
        ...['--secret-sha256', hash('sha256', secret)],
      ]);
    const path = `/v1/regions/${it.region}/freeze`;
    await owner.send('PUT', path, { body: { reason: 'moving' } });
    await everyPublisherSees(it.region, 'loosening');
    const made = await imported();
    expect(made.exitCode).toBe(0);
    const { id } = JSON.parse(made.stdout) as { id: string };
    await wheel.idle();
    expect(await wheel.ask(it.region, secret)).toBe(401);
    await owner.delete(path);
    await wheel.becomes(it.region, secret, 200);
    expect(await imported()).toMatchObject({
      exitCode: exitCodes.refused,
      stderr: expect.stringContaining(id),
    });

    const answer = await fetch(`${wheel.spoke(it.region).gateways[0]!.url}/v1/authenticate`, {
      headers: { authorization: `Basic ${btoa(`agent:${secret}`)}` },
    });
    expect([answer.status, await answer.json()]).toEqual([
      200,
      expect.objectContaining({ keyId: id, clusterId }),
    ]);
    // On its way out: a secret of ours under the same id, then no secret at all.
    const rotated = await owner.post(`/v1/agent-keys/${id}/rotate`, {});
    await it.allBecome([rotated.body, { secret }], 200);
    expect(JSON.stringify([...(await it.stored()).values()])).not.toContain(secret);
    expect((await owner.delete(`/v1/agent-keys/${id}`)).status).toBe(204);
    await it.allBecome([rotated.body, { secret }], 401);
  });
});

describe('quarantine', () => {
  let it: OperatedWheel;
  let wheel: HubAndSpokes;
  beforeAll(async () => {
    it = await OperatedWheel.start({ regions: ['eu-west-1'] });
    ({ wheel } = it);
  });
  afterAll(() => it[Symbol.asyncDispose]());

  test('what is invalid shows everywhere, its last good state stays, and the rest goes on', async () => {
    const { keys, ids, clusterId } = await it.keysOf(2);
    await wheel.sql`update agent_keys set verifier = 'broken' where id = ${ids[0]!}`;
    await until(async () => (await it.publishing()).quarantined === 1, 'it is quarantined');
    expect(await it.holds('&reason=invalid')).toMatchObject([
      { kind: 'agent-key', key: ids[0], detail: expect.stringContaining('verifier') },
    ]);
    expect(await it.context(`agent-key/${ids[0]}`)).toMatchObject({
      state: 'quarantined',
      detail: expect.stringContaining('verifier'),
    });
    const text = await (await wheel.publishers[0]!.app.request('/metrics')).text();
    expect(text).toContain(
      `spokecast_contexts_held{region="${it.region}",kind="agent-key",reason="invalid"} 1`,
    );
    expect(await it.answers(keys)).toEqual([200]);
    const late = await wheel.newKey(clusterId);
    await wheel.becomes(it.region, late.secret, 200);
    expect(await it.sweep()).toMatchObject({ plan: null, counts: { quarantined: 1, written: 0, stale: 0 } });
    expect((await it.publishing()).quarantined).toBe(1);
    await wheel.sql`delete from agent_keys where id = ${ids[0]!}`;
    await wheel.becomes(it.region, keys[0]!.secret, 401);
    expect((await it.publishing()).quarantined).toBe(0);
  });

  test('[law 9] [law 3] a denial does not wait until the rest of its content is mended', async () => {
    const { keys, ids, tenantId, clusterId } = await it.keysOf(2);
    await wheel.sql`update agent_keys set status = 'disabled', permissions = '{""}' where id = ${ids[0]!}`;
    await wheel.becomes(it.region, keys[0]!.secret, 403);
    expect(await it.context(`agent-key/${ids[0]}`)).toMatchObject({ state: 'quarantined' });
    await wheel.sql`update clusters set status = 'disabled', upstream_url = 'nowhere' where id = ${clusterId}`;
    await wheel.becomes(it.region, keys[1]!.secret, 403);
    await wheel.sql`update clusters set status = 'active', upstream_url = 'http://127.0.0.1:9/' where id = ${clusterId}`;
    await wheel.becomes(it.region, keys[1]!.secret, 200);
    await wheel.sql`update tenants set status = 'suspended', name = '' where id = ${tenantId}`;
    await wheel.becomes(it.region, keys[1]!.secret, 403);
    await wheel.idle();
    expect((await it.sweep()).counts).toMatchObject({ quarantined: 2, stale: 0, written: 0 });
    await wheel.sql`update tenants set status = 'active', name = 'mended' where id = ${tenantId}`;
    await wheel.sql`update agent_keys set status = 'active', permissions = '{}' where id = ${ids[0]!}`;
    await it.allBecome(keys, 200);
    await it.converges();
  });
});
