import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { platformSchema } from '../../infra/bin/platform/schema.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

let hub: TestHub;
beforeAll(async () => {
  hub = await startHub({ environment: { SPOKECAST_REQUESTS_IN_FLIGHT_MAX: '2' } });
});
afterAll(() => hub[Symbol.asyncDispose]());

describe('what the hub tells without a key', () => {
  test('/healthz, /readyz', async () => {
    expect((await hub.as(undefined).get('/healthz')).body).toEqual({ status: 'ok' });
    expect((await hub.as(undefined).get('/readyz')).body).toEqual({ status: 'ready' });
  });

  test('/metrics, with routes and not paths for labels', async () => {
    const tenant = await make.tenant(hub.owner);
    await hub.owner.get(`/v1/tenants/${tenant}`);
    await hub.as('x').get('/v1/tenants');
    const { body } = await hub.as(undefined).get('/metrics');
    expect(body).toContain(
      'spokecast_hub_request_duration_seconds_count{method="GET",route="/v1/tenants/{id}",status="200"} 1',
    );
    expect(body).toContain('spokecast_hub_logins_total{outcome="malformed"} 1');
    expect(body).not.toContain(tenant);
  });

  test('/openapi.json and /docs, which needs nothing from elsewhere', async () => {
    expect((await hub.as(undefined).get('/openapi.json')).body).toMatchObject({ openapi: '3.1.0' });
    const { body, headers } = await hub.as(undefined).get('/docs');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(body).not.toMatch(/<script|<link|src=|@import/);
    const ids = [...body.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]);
    for (const [, target] of body.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
    for (const path of ['/v1/clusters/{id}', '/v1/audit-log']) expect(body).toContain(path);
  });

  test('/platform.schema.json, which editors may keep and ask for again', async () => {
    const { body, headers } = await hub.as(undefined).get('/platform.schema.json');
    expect(body).toEqual(JSON.parse(platformSchema()));
    expect(headers.get('cache-control')).toBe('public, max-age=3600');
    expect(headers.get('content-type')).toBe('application/schema+json');
    const etag = headers.get('etag')!;
    const asked = async (tags: string) => {
      const answer = await fetch(`${hub.url}/platform.schema.json`, { headers: { 'if-none-match': tags } });
      expect(answer.headers.get('etag')).toBe(etag);
      return [answer.status, (await answer.text()).length > 0];
    };
    expect(await asked(`"other", W/${etag}`)).toEqual([304, false]);
    expect(await asked('"other"')).toEqual([200, true]);
  });
});

describe('every answer', () => {
  test('has a request id, the one that was asked for or a new one', async () => {
    const given = await hub.owner.get('/v1/tenants', { headers: { 'spokecast-request-id': 'my-request-1' } });
    expect(given.headers.get('spokecast-request-id')).toBe('my-request-1');
    const forged = await hub.owner.get('/nowhere', {
      headers: { 'spokecast-request-id': 'no spaces, please' },
    });
    expect(forged.headers.get('spokecast-request-id')).toMatch(/^req_[0-9a-f]{24}$/);
  });

  test('is kept by nobody', async () => {
    expect((await hub.owner.get('/v1/tenants')).headers.get('cache-control')).toBe('no-store');
  });
});

test('more requests at once than the hub takes are refused, and the hub goes on', async () => {
  const tenant = await make.tenant(hub.owner);
  const sql = postgres(hub.databaseUrl, { max: 2 });
  const inFlight = async () =>
    Number(/requests_in_flight (\d+)/.exec((await hub.as(undefined).get('/metrics')).body)![1]);
  const held = await sql.begin(async (tx) => {
    await tx`select from tenants where id = ${tenant} for update`;
    const waiting = [1, 2].map((n) => hub.owner.patch(`/v1/tenants/${tenant}`, { name: `waited ${n}` }));
    await expect.poll(inFlight).toBe(2);
    expect((await hub.owner.get('/v1/tenants')).body).toMatchObject({ status: 503, code: 'OVERLOADED' });
    expect((await hub.as(undefined).get('/readyz')).status).toBe(200);
    return { waiting };
  });
  await sql.end();
  expect((await Promise.all(held.waiting)).map(({ status }) => status)).toEqual([200, 200]);
  expect((await hub.owner.get('/v1/tenants')).status).toBe(200);
});

test('a hub that stops refuses requests, and says so', async () => {
  await using stopping = await startHub();
  stopping.hub.beginToStop();
  expect((await stopping.owner.get('/v1/tenants')).body).toMatchObject({ status: 503, code: 'STOPPING' });
  expect((await stopping.owner.get('/readyz')).body).toMatchObject({
    status: 503,
    detail: expect.stringContaining('stopping'),
  });
  expect((await stopping.owner.get('/healthz')).status).toBe(200);
});
