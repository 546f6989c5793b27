import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { EventFollower, type ReadEvent } from './support/event-follower.ts';
import { SocketReader, tappedServer } from './support/event-socket.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';

/** Readers of the stream of events as a hub has them: over sockets, which take a few megabytes that nobody reads. */

/** No other time that a hub waits for, so that it is known by this. */
const unreadMs = 31_234;
const environment = { SPOKECAST_EVENT_UNREAD_MS: String(unreadMs), SPOKECAST_KEY_CACHE_MS: '1' };
const entryBytes = 100_000;
const entries = 160;
/** What a reader is sent at a time, an event more, and what is around them. */
const pieceBytesMax = 256 * 1024 + 2 * entryBytes;

let hub: TestHub;
let server: Awaited<ReturnType<typeof tappedServer>>;
let sql: postgres.Sql;
/** The hub's clock goes ahead when the test says so, and connections are closed when it lets them. */
let aheadMs = 0;
const hangUps: (() => void)[] = [];
const clock = {
  ...systemClock,
  monotonic: () => systemClock.monotonic() + aheadMs,
  timer: (ms: number, fn: () => void) => {
    if (ms !== unreadMs) return systemClock.timer(ms, fn);
    hangUps.push(fn);
    return { cancel: () => {} };
  },
};

beforeAll(async () => {
  hub = await startHub({ environment, clock });
  server = await tappedServer(hub);
  sql = postgres(hub.databaseUrl, { max: 1 });
});
beforeEach(() => {
  server.answers.length = 0;
  hangUps.length = 0;
});
afterAll(async () => {
  await sql.end();
  await server[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
});

/** More than any two sockets of one machine hold between them. */
const writeMuch = () => sql`
  insert into audit_log (id, actor_id, actor_name, action, resource_type, resource_id, tenant_id, after, request_id)
  select 'aud_' || lpad(number::text, 26, '0'), 'apk_x', 'x', 'tenant.update', 'tenant', 'ten_x', null,
    jsonb_build_object('name', number::text, 'ballast', repeat('x', ${entryBytes})), 'req_by_hand'
  from generate_series(1, ${entries}) as number
  on conflict do nothing`;
const namesIn = (events: readonly ReadEvent[]): string[] =>
  events.flatMap(({ data }) => (data?.entry?.requestId === 'req_by_hand' ? [data.entry.after.name] : []));
const endsBecause = async (wanted: string) => {
  const { values } = await hub.hub.services.metrics.eventStreamsEnded.get();
  return values.find(({ labels }) => labels.reason === wanted)?.value ?? 0;
};
const open = (query?: string) => SocketReader.open(server.url, hub.owner.secret!, query);

test('[law 8] readers that read nothing cost a piece each, delay nobody, are cut off, and have lost nothing', async () => {
  using live = await open();
  const names = Array.from({ length: entries }, (_, number) => String(number + 1));
  await using other = await EventFollower.open(hub, hub.owner.secret!);
  await writeMuch();
  expect(namesIn(await other.take(entries)), 'who reads beside them').toEqual(names);
  expect((await hub.owner.get('/v1/tenants')).status).toBe(200);
  await other[Symbol.asyncDispose]();

  using behind = await open('?since=oldest');
  const isStuck = () => server.answers.every(({ outgoing }) => outgoing.writableLength > 0);
  await vi.waitFor(() => expect(isStuck()).toBe(true));
  aheadMs += unreadMs + 1;
  await vi.waitFor(async () => expect(await endsBecause('slow')).toBe(2));
  for (const { outgoing, handedOver } of server.answers) {
    expect(outgoing.writableLength, 'what the hub holds for it').toBeLessThan(pieceBytesMax);
    expect(handedOver).toBeGreaterThan(entryBytes);
    expect(handedOver, 'not what there was to read').toBeLessThan((entries * entryBytes) / 2);
  }
  for (const hangUp of hangUps) hangUp();
  await Promise.all(server.answers.map(({ closed }) => closed));

  for (const reader of [live, behind]) {
    const taken = await reader.rest();
    await using again = await EventFollower.open(hub, hub.owner.secret!, taken.at(-1)!.id);
    const missing = await again.take(entries - namesIn(taken).length);
    expect(namesIn([...taken, ...missing])).toEqual(names);
  }
});

describe('a stream that the hub ends', () => {
  test('is hung up on where its reader has not taken it, whatever the reason', async () => {
    await writeMuch();
    const stopping = await startHub({ databaseUrl: hub.databaseUrl, environment, clock });
    await using tap = await tappedServer(stopping);
    using _deaf = await SocketReader.open(tap.url, hub.owner.secret!, '?since=oldest');
    await vi.waitFor(() => expect(tap.answers[0]!.outgoing.writableLength).toBeGreaterThan(0));
    stopping.hub.beginToStop();
    expect(hangUps).toHaveLength(1);
    hangUps[0]!();
    await tap.answers[0]!.closed;
    await stopping[Symbol.asyncDispose]();
  });

  test('leaves its connection to who has taken it, for the next request', async () => {
    const { id, secret } = await make.applicationKey(hub.owner, { role: 'viewer' });
    using reader = await SocketReader.open(server.url, secret);
    const rest = reader.rest();
    await hub.owner.patch(`/v1/application-keys/${id}`, { status: 'disabled' });
    expect((await rest).at(-1)).toMatchObject({ event: 'end', data: { reason: 'refused' } });
    expect(hangUps).toHaveLength(1);
    const socketOf = async (path: string) => {
      const answer = await reader.ask(path);
      answer.resume();
      return answer.socket.localPort;
    };
    const before = await socketOf('/healthz');
    hangUps[0]!();
    expect(await socketOf('/healthz')).toBe(before);
  });
});
