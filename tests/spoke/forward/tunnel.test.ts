import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket } from 'undici';
import { describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../contexts/base/clock.ts';
import { gone, keyContext, publish } from '../support/contexts.ts';
import { type ForwardWorldOptions, forwardWorld } from '../support/forward-world.ts';
import { answerOf, send } from '../support/upstream.ts';

/** What RFC 6455 wants to see. */
const acceptOf = (key: string) =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/** An upstream that takes WebSockets and sends back every frame, unmasked. Short text frames are all it knows. */
async function tunnelWorld(options: ForwardWorldOptions = {}, onSocket?: (socket: Duplex) => void) {
  const asked: IncomingMessage[] = [];
  const world = await forwardWorld((_incoming, outgoing) => outgoing.end('plain'), options);
  const upstream = world.upstream.server as Server;
  upstream.on('upgrade', (incoming: IncomingMessage, socket: Duplex) => {
    asked.push(incoming);
    socket.on('error', () => {}).on('end', () => socket.end());
    if (incoming.url === '/refused') {
      socket.end('HTTP/1.1 418 No Tunnel\r\nx-why: teapot\r\ncontent-length: 2\r\n\r\nno');
      return;
    }
    const accept = acceptOf(incoming.headers['sec-websocket-key']!);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\nspokecast-key-id: evil\r\n\r\n`,
    );
    socket.write(Buffer.from([0x81, 5, ...Buffer.from('hello')]));
    onSocket?.(socket);
    let unread = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk]);
      while (unread.length >= 6) {
        if ((unread[0]! & 0x0f) === 8) return socket.end(Buffer.from([0x88, 0]));
        const end = 6 + (unread[1]! & 0x7f);
        const mask = unread.subarray(2, 6);
        const text = unread.subarray(6, end).map((byte, i) => byte ^ mask[i % 4]!);
        socket.write(Buffer.from([0x81, text.length, ...text]));
        unread = unread.subarray(end);
      }
    });
  });
  const headers = { authorization: world.authorization };
  const open = async (path = '/ws') => {
    const socket = new WebSocket(`${world.url}${path}`.replace('http:', 'ws:'), { headers } as never);
    const messages: string[] = [];
    const waiting = new EventTarget();
    socket.addEventListener('message', ({ data }) => {
      messages.push(data);
      waiting.dispatchEvent(new Event('message'));
    });
    await once(socket, 'open');
    return { socket, messages, next: () => once(waiting, 'message') };
  };
  return { ...world, asked, open, headers };
}

const upgradeHeaders = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
};

describe('WebSockets', () => {
  test('are authenticated, opened, and carry frames both ways', async () => {
    await using world = await tunnelWorld();
    const { socket, messages } = await world.open('/ws?room=1');
    await vi.waitFor(() => expect(messages).toEqual(['hello']));
    for (const text of ['one', 'two']) socket.send(text);
    await vi.waitFor(() => expect(messages).toEqual(['hello', 'one', 'two']));
    expect(await world.metric('spokecast_tunnels_open')).toBe(1);
    expect(await world.metric('spokecast_forwards_under_way')).toBe(0);
    const [asked] = world.asked;
    expect(asked!.url).toBe('/ws?room=1');
    expect(asked!.headers).toMatchObject({
      'spokecast-tenant-id': world.demo.tenantId,
      'sec-websocket-version': '13',
      host: new URL(world.upstream.url).host,
    });
    expect(asked!.headers).not.toHaveProperty('authorization');
    socket.close();
    await once(socket, 'close');
    await vi.waitFor(async () => {
      expect(await world.metric('spokecast_tunnels_open')).toBe(0);
      expect(await world.metric('spokecast_forwards_total{outcome="tunnelled"}')).toBe(1);
    });
  });

  test('of strangers, and of keys of other clusters, are refused as requests are', async () => {
    await using world = await tunnelWorld();
    const path = new URL(world.url).pathname;
    const none = await send(world.url, { headers: upgradeHeaders });
    expect([none.status, none.json().code, none.headers.connection]).toEqual([401, 'NO_CREDENTIAL', 'close']);
    const headers = { ...upgradeHeaders, ...world.headers };
    expect((await send(world.url, { path: `${path}x/ws`, headers })).json().code).toBe('WRONG_CLUSTER');
    expect((await send(world.url, { path: `${path}/../x`, headers })).json().code).toBe('BAD_PATH');
    expect(world.asked).toEqual([]);
  });

  test('of a limited key are told how much of the limit is left', async () => {
    await using world = await tunnelWorld();
    const limited = { rateLimit: { limit: 3, windowMs: 86_400_000 } };
    await publish(world.store, keyContext(world.demo, 2, limited));
    const headers = { ...upgradeHeaders, ...world.headers };
    const opening = request(`${world.url}/ws`, { headers }).end();
    const [answer, socket] = (await once(opening, 'upgrade')) as [IncomingMessage, Duplex];
    expect(answer.statusCode).toBe(101);
    expect(answer.headers.ratelimit).toMatch(/^"agent-key";r=2;/);
    expect(answer.headers['ratelimit-policy']).toBe('"agent-key";q=3;w=86400');
    socket.destroy();
  });

  test("an upstream's refusal is its answer", async () => {
    await using world = await tunnelWorld();
    const answer = await send(`${world.url}/refused`, { headers: { ...upgradeHeaders, ...world.headers } });
    expect([answer.status, answer.text, answer.headers['x-why']]).toEqual([418, 'no', 'teapot']);
  });

  test('an upstream that is gone is 502', async () => {
    await using world = await tunnelWorld({ upstreamUrl: 'http://127.0.0.1:1' });
    const answer = await send(world.url, { headers: { ...upgradeHeaders, ...world.headers } });
    expect([answer.status, answer.json().code]).toEqual([502, 'UPSTREAM_UNREACHABLE']);
  });

  test('other protocols are no tunnel: the request is answered as it is without', async () => {
    await using world = await tunnelWorld();
    for (const upgrade of ['h2c', 'TLS/1.0', 'SPDY/3.1', 'websocket, h2c']) {
      const headers = {
        ...world.headers,
        connection: 'Upgrade, HTTP2-Settings',
        upgrade,
        'http2-settings': 'x',
      };
      const answer = await send(world.url, { headers });
      expect([answer.status, answer.text], upgrade).toEqual([200, 'plain']);
    }
    expect(world.asked).toEqual([]);
    const elsewhere = await send(`${world.origin}/v1/authenticate`, {
      headers: { ...upgradeHeaders, ...world.headers },
    });
    expect(elsewhere.status).toBe(200);
  });

  test('the answer to the client names nothing of ours that the upstream said', async () => {
    await using world = await tunnelWorld();
    const outgoing = request(world.url, { headers: { ...upgradeHeaders, ...world.headers } });
    outgoing.end();
    const [response, socket, head] = (await once(outgoing, 'upgrade')) as [IncomingMessage, Duplex, Buffer];
    expect(response.statusCode).toBe(101);
    expect(response.headers).not.toHaveProperty('spokecast-key-id');
    expect(response.headers['sec-websocket-accept']).toBe(acceptOf(upgradeHeaders['sec-websocket-key']));
    const first = head.length > 0 ? head : ((await once(socket, 'data')) as [Buffer])[0];
    expect(first.subarray(2).toString()).toBe('hello');
    socket.destroy();
  });

  test('either side that goes away takes the other with it', async () => {
    const upstreamSockets: Duplex[] = [];
    await using world = await tunnelWorld({}, (socket) => upstreamSockets.push(socket));
    const first = await world.open();
    const clientClosed = once(first.socket, 'close');
    upstreamSockets[0]!.destroy();
    await clientClosed;
    const outgoing = request(world.url, { headers: { ...upgradeHeaders, ...world.headers } });
    outgoing.end();
    const [, socket] = (await once(outgoing, 'upgrade')) as [IncomingMessage, Duplex];
    const upstreamClosed = once(upstreamSockets[1]!, 'close');
    socket.destroy();
    await upstreamClosed;
  });

  test('a silent one is ended', async () => {
    await using world = await tunnelWorld({ environment: { SPOKECAST_TUNNEL_IDLE_TIMEOUT_MS: '100' } });
    const { socket } = await world.open();
    await once(socket, 'close');
  });

  test('may be silent for longer than an answer may', async () => {
    const environment = {
      SPOKECAST_UPSTREAM_IDLE_TIMEOUT_MS: '50',
      SPOKECAST_UPSTREAM_HEADERS_TIMEOUT_MS: '50',
    };
    await using world = await tunnelWorld({ environment });
    const { socket, messages } = await world.open();
    await systemClock.sleep(500); // five times what would end an answer
    socket.send('still here');
    await vi.waitFor(() => expect(messages).toEqual(['hello', 'still here']));
    socket.close();
  });

  test('[law 8] no more than the bound are open', async () => {
    await using world = await tunnelWorld({ environment: { SPOKECAST_TUNNELS_MAX: '1' } });
    const { socket } = await world.open();
    const answer = await send(world.url, { headers: { ...upgradeHeaders, ...world.headers } });
    expect([answer.status, answer.json().code]).toEqual([503, 'UPSTREAM_OVERLOADED']);
    socket.close();
  });

  test('[law 6] a revocation ends an open one', async () => {
    await using world = await tunnelWorld();
    const { socket, messages } = await world.open();
    await vi.waitFor(() => expect(messages).toEqual(['hello']));
    const closed = once(socket, 'close');
    await publish(world.store, gone('agent-key', world.demo.keyId, 2));
    await closed;
    await vi.waitFor(async () =>
      expect(await world.metric('spokecast_forwards_total{outcome="withdrawn"}')).toBe(1),
    );
  });

  test('end with the gateway, after what is under way had its time', async () => {
    const world = await tunnelWorld({ environment: { SPOKECAST_SHUTDOWN_MS: '200' } });
    const { socket } = await world.open();
    const closed = once(socket, 'close');
    await world[Symbol.asyncDispose]();
    await closed;
  });
});

test('[law 6] a revocation ends an answer that is still under way, before its headers and after', async () => {
  await using world = await forwardWorld((incoming, outgoing) => {
    if (incoming.url === '/begun') outgoing.write('data: 1\n\n');
  });
  const headers = { authorization: world.authorization };
  const begun = request(`${world.url}/begun`, { headers });
  begun.end();
  const [stream] = (await once(begun, 'response')) as [IncomingMessage];
  const waiting = request(`${world.url}/waiting`, { headers });
  waiting.end();
  stream.resume();
  const cut = once(stream, 'error');
  await publish(world.store, gone('agent-key', world.demo.keyId, 2));
  const refused = await answerOf(waiting);
  expect([refused.status, refused.json().code]).toEqual([401, 'NOT_FOUND']);
  expect(String(await cut)).toContain('aborted');
});
