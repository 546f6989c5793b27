import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../contexts/base/clock.ts';
import { forwardWorld } from '../support/forward-world.ts';
import { answerOf, send } from '../support/upstream.ts';

describe('trailers', () => {
  test('of an answer reach the client, announced or not, and carry nothing of ours', async () => {
    await using world = await forwardWorld((incoming, outgoing) => {
      if (incoming.url === '/announced') outgoing.setHeader('trailer', 'x-checksum');
      outgoing.write('body');
      outgoing.addTrailers({ 'x-checksum': 'abc', 'spokecast-key-id': 'evil' });
      outgoing.end();
    });
    const headers = { authorization: world.authorization };
    for (const path of ['/announced', '/unannounced']) {
      for (const te of [{}, { te: 'trailers' }]) {
        const outgoing = request(world.url + path, { headers: { ...headers, ...te } });
        outgoing.end();
        const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
        expect(incoming.headers.trailer).toBe(path === '/announced' ? 'x-checksum' : undefined);
        incoming.resume();
        await once(incoming, 'end');
        expect(incoming.trailers).toEqual({ 'x-checksum': 'abc' });
      }
    }
  });

  test('announced where none can come are not announced to the client', async () => {
    await using world = await forwardWorld((incoming) => {
      incoming.socket.end('HTTP/1.1 200 OK\r\ntrailer: x-checksum\r\ncontent-length: 4\r\n\r\nbody');
    });
    const answer = await send(world.url, { headers: { authorization: world.authorization } });
    expect([answer.status, answer.text, answer.headers.trailer]).toEqual([200, 'body', undefined]);
  });

  test('of a request reach the upstream, which is told that they are wanted', async () => {
    await using world = await forwardWorld((incoming, outgoing) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk) => chunks.push(chunk));
      incoming.on('end', () => {
        const { headers, trailers } = incoming;
        outgoing.end(JSON.stringify({ headers, trailers, body: Buffer.concat(chunks).toString() }));
      });
    });
    const headers = { authorization: world.authorization, trailer: 'x-checksum', te: 'trailers' };
    const outgoing = request(world.url, { method: 'PUT', headers });
    outgoing.write('one ');
    outgoing.write('two');
    outgoing.addTrailers({ 'x-checksum': 'abc', 'spokecast-key-id': 'evil' });
    outgoing.end();
    const seen = (await answerOf(outgoing)).json();
    expect(seen).toMatchObject({ trailers: { 'x-checksum': 'abc' }, body: 'one two' });
    expect(seen.trailers).not.toHaveProperty('spokecast-key-id');
    expect(seen.headers).toMatchObject({ trailer: 'x-checksum', te: 'trailers', connection: 'TE' });
    expect(seen.headers['spokecast-key-id']).toBe(world.demo.keyId);
  });

  test('failures of such a request are told as those of others', async () => {
    await using world = await forwardWorld(
      (incoming) => {
        if (incoming.url === '/broken') incoming.socket.destroy();
      },
      { environment: { SPOKECAST_UPSTREAM_HEADERS_TIMEOUT_MS: '150' } },
    );
    const headers = { authorization: world.authorization, te: 'trailers' };
    expect((await send(`${world.url}/broken`, { headers })).json().code).toBe('UPSTREAM_BROKEN');
    expect((await send(`${world.url}/silent`, { headers })).json().code).toBe('UPSTREAM_TIMEOUT');
  });
});

test('informational answers reach the client before the answer', async () => {
  await using world = await forwardWorld((_incoming, outgoing) => {
    outgoing.writeEarlyHints({ link: '</style.css>; rel=preload' });
    outgoing.writeProcessing();
    outgoing.end('done');
  });
  for (const te of [{}, { te: 'trailers' }]) {
    const outgoing = request(world.url, { headers: { authorization: world.authorization, ...te } });
    const informed: unknown[] = [];
    outgoing.on('information', ({ statusCode, headers }) => informed.push([statusCode, headers.link]));
    outgoing.end();
    const answer = await answerOf(outgoing);
    expect([answer.status, answer.text]).toEqual([200, 'done']);
    expect(informed).toEqual([
      [103, '</style.css>; rel=preload'],
      [102, undefined],
    ]);
  }
});

test('a client of HTTP/1.0 is sent neither informational answers nor chunks nor trailers', async () => {
  await using world = await forwardWorld((_incoming, outgoing) => {
    outgoing.writeProcessing();
    outgoing.setHeader('trailer', 'x-checksum');
    outgoing.write('whole');
    outgoing.addTrailers({ 'x-checksum': 'abc' });
    outgoing.end();
  });
  const { hostname, port, pathname } = new URL(world.url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${pathname} HTTP/1.0\r\nauthorization: ${world.authorization}\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += chunk;
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(text).toMatch(/\r\n\r\nwhole$/);
  expect(text.toLowerCase()).not.toContain('trailer');
});

test('server-sent events arrive one by one, while the stream is open', async () => {
  let say: (text: string) => void = () => {};
  await using world = await forwardWorld((_incoming, outgoing) => {
    outgoing.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    outgoing.flushHeaders();
    say = (text) => outgoing.write(`data: ${text}\n\n`);
  });
  const headers = { authorization: world.authorization, accept: 'text/event-stream' };
  const outgoing = request(world.url, { headers });
  outgoing.end();
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  expect(incoming.headers['content-type']).toBe('text/event-stream');
  for (const word of ['one', 'two', 'three']) {
    say(word);
    const [event] = (await once(incoming, 'data')) as [Buffer];
    expect(event.toString()).toBe(`data: ${word}\n\n`);
  }
  outgoing.destroy();
});

test('connections are kept alive on both sides', async () => {
  const ports = { client: new Set<number>(), upstream: new Set<number>() };
  await using world = await forwardWorld((incoming, outgoing) => {
    ports.upstream.add(incoming.socket.remotePort!);
    incoming.resume().on('end', () => outgoing.end('x'));
  });
  const { Agent } = await import('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < 6; i++) {
    const method = i % 2 === 0 ? 'GET' : 'POST';
    const headers = { authorization: world.authorization, ...(i === 4 ? { te: 'trailers' } : {}) };
    const outgoing = request(world.url, { agent, method, headers });
    outgoing.end(method === 'POST' ? 'body' : undefined);
    const answer = await answerOf(outgoing);
    expect(answer.headers['keep-alive']).toBe('timeout=75');
    ports.client.add(outgoing.socket!.localPort!);
  }
  agent.destroy();
  expect(ports.client.size).toBe(1);
  expect(ports.upstream.size).toBe(2); // one of each of our two clients
});

test('[law 8] large bodies pass both ways with flat memory, as fast as the slower side takes them', async () => {
  const size = 256 * 1024 * 1024;
  const piece = Buffer.alloc(256 * 1024, 'x');
  const pieces = () =>
    Readable.from(
      (function* () {
        for (let sent = 0; sent < size; sent += piece.length) yield piece;
      })(),
    );
  await using world = await forwardWorld(async (incoming, outgoing) => {
    let received = 0;
    for await (const chunk of incoming) received += (chunk as Buffer).length;
    outgoing.writeHead(200, { 'x-received': String(received), 'content-length': String(size) });
    await pipeline(pieces(), outgoing);
  });
  let highest = 0;
  const before = process.memoryUsage().rss;
  const outgoing = request(world.url, { method: 'PUT', headers: { authorization: world.authorization } });
  const responded = once(outgoing, 'response');
  await pipeline(pieces(), outgoing);
  const [incoming] = (await responded) as [IncomingMessage];
  let got = 0;
  for await (const chunk of incoming) {
    got += (chunk as Buffer).length;
    highest = Math.max(highest, process.memoryUsage.rss());
  }
  expect([incoming.headers['x-received'], got]).toEqual([String(size), size]);
  // All four parties are in this process; what is on its way between them and not yet collected, is well below one body.
  expect(highest - before).toBeLessThan(160 * 1024 * 1024);
});

test('[law 8] a client that takes nothing stops the upstream, and loses nothing by it', async () => {
  const size = 128 * 1024 * 1024;
  const piece = Buffer.alloc(256 * 1024, 'x');
  const stalled = Promise.withResolvers<number>();
  await using world = await forwardWorld(async (_incoming, outgoing) => {
    outgoing.writeHead(200, { 'content-length': String(size) });
    for (let sent = 0; sent < size; sent += piece.length) {
      if (outgoing.write(piece)) continue;
      const timer = systemClock.timer(500, () => stalled.resolve(sent));
      await once(outgoing, 'drain');
      timer.cancel();
    }
    stalled.resolve(size);
    outgoing.end();
  });
  const outgoing = request(world.url, { headers: { authorization: world.authorization } });
  outgoing.end();
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  // What the kernel and the buffers on the way hold.
  expect(await stalled.promise).toBeLessThan(size / 2);
  let got = 0;
  for await (const chunk of incoming) got += (chunk as Buffer).length;
  expect(got).toBe(size);
});
