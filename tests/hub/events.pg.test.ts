import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { trimLedger } from '../../hub/db/housekeeping.ts';
import { EventFollower, openStreams } from './support/event-follower.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

/** Two hubs over one database, since what one of them commits is to be told by the other. */
let hub: TestHub;
let other: TestHub;
let sql: postgres.Sql;
let ownTenant: string;
let tenantKey: string;
const patient = { timeout: 30_000 };

beforeAll(async () => {
  hub = await startHub({
    environment: { SPOKECAST_EVENT_STREAMS_MAX: '3', SPOKECAST_EVENT_HEARTBEAT_MS: '200' },
  });
  other = await startHub({
    databaseUrl: hub.databaseUrl,
    environment: { SPOKECAST_KEY_CACHE_MS: '1', SPOKECAST_EVENT_HEARTBEAT_MS: '50' },
  });
  sql = postgres(hub.databaseUrl, { max: 3 });
  ownTenant = await make.tenant(hub.owner, 'Own');
  tenantKey = (await make.applicationKey(hub.owner, { role: 'viewer', tenantId: ownTenant })).secret;
});
afterAll(async () => {
  await sql.end();
  await other[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
});

// Whoever has gone is noticed a moment later, and has a place until then.
beforeEach(() => vi.waitFor(async () => expect(await openStreams(hub)).toBe(0), patient));

const follow = (from?: string) => EventFollower.open(hub, hub.owner.secret!, from);
const rename = (name: string, by = hub) => by.owner.patch(`/v1/tenants/${ownTenant}`, { name });
const namesIn = (events: { data?: { entry?: { after: { name: string } } } }[]) =>
  events.map(({ data }) => data?.entry?.after.name);

/** An entry of the audit log by hand, as a request in a transaction of its own writes it. */
const entry = (db: postgres.Sql, name: string) => db`
  insert into audit_log (id, actor_id, actor_name, action, resource_type, resource_id, tenant_id, after, request_id)
  values (${`aud_${crypto
    .randomUUID()
    .replaceAll('-', '')
    .slice(0, 26)
    .replaceAll(/[ilou]/g, '0')}`}, 'apk_x', 'x',
    'tenant.update', 'tenant', ${ownTenant}, ${ownTenant}, ${sql.json({ name })}, 'req_by_hand')`;

describe('the stream of events', () => {
  test('tells what any hub commits, in order, with the fence of the change, and goes on where it broke off', async () => {
    await using stream = await follow();
    const first = await rename('one');
    await rename('two', other);
    await rename('three');
    const events = await stream.take(3);
    expect(namesIn(events)).toEqual(['one', 'two', 'three']);
    expect(events[0]).toMatchObject({
      event: 'audit',
      data: { entry: { action: 'tenant.update' }, fence: first.headers.get('spokecast-fence') },
    });
    await using again = await EventFollower.open(other, hub.owner.secret!, events[0]!.id);
    expect((await again.take(2)).map(({ id }) => id)).toEqual(events.slice(1).map(({ id }) => id));
  });

  test('loses nothing that commits late under a lower number, and tells it after what committed before it', async () => {
    await using stream = await follow();
    const written = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    const late = sql.begin(async (tx) => {
      await entry(tx as never, 'late');
      written.resolve();
      await mayCommit.promise;
    });
    await written.promise;
    await entry(sql, 'early');
    const [early] = await stream.take(1);
    mayCommit.resolve();
    await late;
    const [latest] = await stream.take(1);
    expect(namesIn([early!, latest!])).toEqual(['early', 'late']);
    const numbers =
      await sql`select e.id::int, e.position::int from events e order by position desc nulls last limit 2`;
    expect(numbers[0]!.id, 'it did draw the lower number').toBeLessThan(numbers[1]!.id);
    await using again = await follow(early!.id);
    expect(namesIn(await again.take(1))).toEqual(['late']);
  });

  test('loses nothing while many write and two hubs place', async () => {
    await using mine = await follow();
    await using theirs = await EventFollower.open(other, hub.owner.secret!);
    const names = Array.from({ length: 60 }, (_, number) => `many ${number}`);
    await Promise.all(names.map((name) => sql.begin((tx) => entry(tx as never, name))));
    const [seen, seenThere] = await Promise.all([mine.take(60), theirs.take(60)]);
    expect(namesIn(seen).toSorted()).toEqual(names.toSorted());
    expect(seenThere.map(({ id }) => id)).toEqual(seen.map(({ id }) => id));
  });

  test("tells a tenant's key of its tenant alone, and moves what it goes on from past the others", async () => {
    await using stream = await EventFollower.open(hub, tenantKey);
    const foreign = await make.tenant(hub.owner, 'canary-events');
    await hub.owner.patch(`/v1/tenants/${foreign}`, { name: 'canary-events again' });
    await rename('mine');
    const [event] = await stream.take(1);
    expect(namesIn([event!])).toEqual(['mine']);
    await hub.owner.delete(`/v1/tenants/${foreign}`);
    let id = event!.id;
    await vi.waitFor(async () => {
      id = (await stream.next())!.id; // heartbeats
      expect(Number(id.split('-')[1])).toBeGreaterThan(Number(event!.id.split('-')[1]));
    }, patient);
    await stream[Symbol.asyncDispose](); // a tenant has one place of the three
    await vi.waitFor(async () => expect(await openStreams(hub)).toBe(0), patient);
    await using caughtUp = await EventFollower.open(hub, tenantKey, event!.id);
    await rename('mine again');
    expect(namesIn(await caughtUp.take(1)), 'also where it reads what it missed').toEqual(['mine again']);
  });

  test('is a place among few, and leaves it when the reader goes', async () => {
    const streams = await Promise.all([follow(), follow(), follow()]);
    const refused = await hub.owner.get('/v1/events');
    expect(refused.body).toMatchObject({ status: 503, code: 'OVERLOADED' });
    await streams[0]![Symbol.asyncDispose]();
    await vi.waitFor(async () => {
      await using again = await follow();
      expect(await again.next()).toBeDefined();
    }, patient);
    for (const stream of streams) await stream[Symbol.asyncDispose]();
  });

  test('leaves places that one tenant cannot take', async () => {
    await using mine = await EventFollower.open(hub, tenantKey);
    const refused = await hub.as(tenantKey).get('/v1/events');
    expect(refused.body).toMatchObject({ status: 503, code: 'OVERLOADED' });
    await using platforms = await follow();
    expect(await platforms.next()).toBeDefined();
    await mine[Symbol.asyncDispose]();
    await vi.waitFor(async () => {
      await using again = await EventFollower.open(hub, tenantKey);
      expect(await again.next()).toBeDefined();
    }, patient);
  });

  test('is not opened for who asks for the head alone', async () => {
    const headers = { authorization: `Bearer ${hub.owner.secret}` };
    const answer = await hub.hub.app.fetch(new Request(`${hub.url}/v1/events`, { method: 'HEAD', headers }));
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect(await openStreams(hub)).toBe(0);
  });

  test('cuts off who does not read, and tells where to go on', async () => {
    const actor = { id: '', name: 'x', role: 'owner' as const, tenantId: null, userId: null };
    actor.id = (
      await sql`select id from application_keys where role = 'owner' and tenant_id is null limit 1`
    )[0]!.id;
    await using impatient = await startHub({
      databaseUrl: hub.databaseUrl,
      environment: { SPOKECAST_EVENT_UNREAD_MS: '50' },
    });
    const { events, metrics } = impatient.hub.services;
    const hungUp = Promise.withResolvers<void>();
    const body = await events.open({ actor, from: undefined, hangUp: () => hungUp.resolve() });
    await rename('unread');
    await vi.waitFor(async () => {
      const { values } = await metrics.eventStreamsEnded.get();
      expect(values.find(({ labels }) => labels.reason === 'slow')?.value).toBe(1);
    }, patient);
    await hungUp.promise;
    await using follower = new EventFollower(body);
    const [ready, end] = await follower.take(2);
    expect([ready!.event, end!.event, end!.data.reason]).toEqual(['ready', 'end', 'slow']);
    expect(await follower.next()).toBeUndefined();
    await using again = await follow(end!.id);
    expect(namesIn(await again.take(1))).toEqual(['unread']);
  });

  test('ends when the key does', async () => {
    const key = await make.applicationKey(hub.owner, { role: 'viewer' });
    await using stream = await EventFollower.open(other, key.secret);
    await hub.owner.patch(`/v1/application-keys/${key.id}`, { status: 'disabled' });
    const ended = async () => {
      for (;;) {
        const event = await stream.next();
        if (event === undefined || event.event === 'end') return event;
      }
    };
    expect(await ended()).toMatchObject({ data: { reason: 'refused' } });
    expect(await stream.next()).toBeUndefined();
  });

  test('says what it cannot go on from', async () => {
    await using stream = await follow();
    await rename('old');
    const [old] = await stream.take(1);
    await rename('older than a day too');
    const [later] = await stream.take(1);
    await sql`update events set at = now() - interval '25 hours' where position <= ${Number(later!.id.split('-')[1])}`;
    await trimLedger(hub.hub.services.database.db, { auditDays: 0, sweepDays: 30, fenceHours: 24 });
    for (const id of [old!.id, `2-${later!.id.split('-')[1]}`, '1-999999999']) {
      const answer = await hub.owner.get('/v1/events', { headers: { 'last-event-id': id } });
      expect(answer.body, id).toMatchObject({ status: 410, code: 'EVENTS_EXPIRED' });
      expect(answer.body.detail).toContain(later!.id);
    }
    expect((await hub.owner.get('/v1/events?since=yesterday')).body).toMatchObject({
      code: 'VALIDATION_FAILED',
    });
    await using after = await follow(later!.id);
    await rename('new');
    expect(namesIn(await after.take(1))).toEqual(['new']);
    expect((await hub.owner.get('/v1/events?since=oldest')).body).toContain(`"oldest":"${later!.id}"`);
  });

  test('ends when the hub stops, and holds nobody up', async () => {
    const third = await startHub({ databaseUrl: hub.databaseUrl });
    await using stream = await EventFollower.open(third, hub.owner.secret!);
    third.hub.beginToStop();
    expect(await stream.take(1)).toMatchObject([{ event: 'end', data: { reason: 'stopping' } }]);
    expect(await stream.next()).toBeUndefined();
    await third[Symbol.asyncDispose]();
  });
});

test('whoami tells a key what it is', async () => {
  const expiresAt = '2099-01-01T00:00:00.000Z';
  const { id, secret } = await make.applicationKey(hub.owner, {
    role: 'admin',
    tenantId: ownTenant,
    expiresAt,
  });
  const { body } = await hub.as(secret).get('/v1/whoami');
  expect(body).toMatchObject({ id, role: 'admin', scope: 'tenant', tenantId: ownTenant, expiresAt });
  expect((await hub.owner.get('/v1/whoami')).body).toMatchObject({
    ...{ name: 'test owner', role: 'owner', scope: 'platform', tenantId: null, expiresAt: null },
  });
});

test('[law 6] who listens is told of a change once it has committed, and not by its transaction', async () => {
  for (const { services } of [hub.hub, other.hub]) await services.hints[Symbol.asyncDispose](); // of earlier changes
  const heard: string[] = [];
  const listening = [];
  for (const channel of ['spokecast_outbox', 'spokecast_events', 'marker'])
    listening.push(await sql.listen(channel, () => heard.push(channel)));
  await rename('told');
  await expect.poll(() => heard, patient).toEqual(['spokecast_outbox', 'spokecast_events']);

  // Nobody relays here; where the outbox is empty, relays would look for nothing.
  await sql`delete from outbox`;
  heard.length = 0;
  expect((await make.applicationKey(hub.owner, { role: 'viewer' })).secret).toBeDefined();
  await expect.poll(() => heard, patient).toEqual(['spokecast_events']);
  heard.length = 0;
  await rename('told once more');
  await expect.poll(() => heard, patient).toEqual(['spokecast_outbox', 'spokecast_events']);

  const given = vi.spyOn(hub.hub.services.hints, 'give').mockImplementation(() => {});
  await rename('told by nobody');
  given.mockRestore();
  await sql`select pg_notify('marker', '')`;
  await expect.poll(() => heard, patient).toEqual(['spokecast_outbox', 'spokecast_events', 'marker']);
  for (const one of listening) await one.unlisten();
});

test('a change that nobody could be told of is made all the same, and counted', async () => {
  const { services } = hub.hub;
  await services.hints[Symbol.asyncDispose]();
  const failed = async () => (await services.metrics.hintsFailed.get()).values[0]!.value;
  const before = await failed();
  const notify = vi.spyOn(services.database, 'notify').mockRejectedValue(new Error('no connection is left'));
  await using follower = await follow();
  expect((await rename('found by a poll')).status).toBe(200);
  await services.hints[Symbol.asyncDispose]();
  notify.mockRestore();
  expect(await failed()).toBe(before + 1);
  expect(namesIn(await follower.take(1))).toEqual(['found by a poll']);
});
