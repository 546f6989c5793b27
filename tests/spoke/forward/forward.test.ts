import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { Gate } from '../../support/gate.ts';
import { forwardWorld } from '../support/forward-world.ts';
import { answerOf, send } from '../support/upstream.ts';

/** Answers with what it received. */
function echo(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const chunks: Buffer[] = [];
  incoming.on('data', (chunk) => chunks.push(chunk));
  incoming.on('end', () => {
    const { method, url, headers, rawHeaders } = incoming;
    outgoing.setHeader('x-seen', 'yes');
    outgoing.end(
      JSON.stringify({ method, url, headers, rawHeaders, body: Buffer.concat(chunks).toString('base64') }),
    );
  });
}

describe('forwarding', () => {
  test('any method, path and query, below the base path of the upstream', async () => {
    await using world = await forwardWorld(echo, { basePath: '/base/' });
    const { authorization } = world;
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      const path = `/v1/clusters/${world.demo.clusterId}/a%2Fb//c?x=1&x=%20`;
      const answer = await send(world.url, { method, path, headers: { authorization } });
      expect(answer.status, method).toBe(200);
      expect(answer.json()).toMatchObject({ method, url: '/base/a%2Fb//c?x=1&x=%20', body: '' });
    }
    const head = await send(world.url, { method: 'HEAD', headers: { authorization } });
    expect([head.status, head.text, head.headers['x-seen']]).toEqual([200, '', 'yes']);
    expect((await send(world.url, { headers: { authorization } })).json()).toMatchObject({ url: '/base' });
  });

  test('says who it is, and hides how it was shown', async () => {
    await using world = await forwardWorld(echo);
    const headers = {
      authorization: world.authorization,
      'spokecast-tenant-id': 'ten_evil',
      'x-forwarded-for': '9.9.9.9',
    };
    const seen = (await send(world.url, { headers })).json().headers;
    expect(seen).toMatchObject({
      'spokecast-tenant-id': world.demo.tenantId,
      'spokecast-cluster-id': world.demo.clusterId,
      'spokecast-key-id': world.demo.keyId,
      'x-forwarded-for': '9.9.9.9, 127.0.0.1',
      'x-forwarded-host': new URL(world.url).host,
      'x-forwarded-proto': 'http',
      host: new URL(world.upstream.url).host,
    });
    expect(seen).not.toHaveProperty('authorization');
    const two = { 'spokecast-agent-key': world.demo.secret, authorization: 'Bearer of-the-upstream' };
    const kept = (await send(world.url, { headers: two })).json().headers;
    expect(kept.authorization).toBe('Bearer of-the-upstream');
    expect(kept).not.toHaveProperty('spokecast-agent-key');
  });

  test("refuses as /v1/authenticate does, and another cluster's path with 403", async () => {
    await using world = await forwardWorld(echo);
    expect((await send(world.url)).status).toBe(401);
    const other = await send(`${world.url}x`, {
      method: 'POST',
      body: 'unread',
      headers: { authorization: world.authorization },
    });
    expect([other.status, other.json().code]).toEqual([403, 'WRONG_CLUSTER']);
    const climbing = {
      path: `/v1/clusters/${world.demo.clusterId}/../x`,
      headers: { authorization: world.authorization },
    };
    expect((await send(world.url, climbing)).json()).toMatchObject({ status: 400, code: 'BAD_PATH' });
  });

  test('bodies pass as they are: compressed ones stay compressed, large ones arrive whole', async () => {
    const zipped = gzipSync('hello '.repeat(1_000));
    const large = randomBytes(3_000_000);
    await using world = await forwardWorld((incoming, outgoing) => {
      if (incoming.url === '/zipped') {
        outgoing.writeHead(200, {
          'content-encoding': 'gzip',
          'content-length': zipped.length,
          'set-cookie': ['a=1', 'b=2'],
        });
        outgoing.end(zipped);
      } else {
        outgoing.writeHead(201, 'Made It', { etag: '"1"' });
        incoming.pipe(outgoing);
      }
    });
    const { authorization } = world;
    const answer = await send(`${world.url}/zipped`, {
      headers: { authorization, 'accept-encoding': 'gzip' },
    });
    expect(answer.bytes.equals(zipped)).toBe(true);
    expect(answer.headers).toMatchObject({
      'content-encoding': 'gzip',
      'content-length': String(zipped.length),
    });
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    const framings: Record<string, string>[] = [
      { 'content-length': String(large.length) },
      { 'transfer-encoding': 'chunked' },
    ];
    for (const headers of framings) {
      const echoed = await send(world.url, {
        method: 'PUT',
        body: large,
        headers: { authorization, ...headers },
      });
      expect([echoed.status, echoed.bytes.equals(large), echoed.headers.etag]).toEqual([201, true, '"1"']);
    }
  });

  test('streams both ways at the same time', async () => {
    await using world = await forwardWorld((incoming, outgoing) => {
      outgoing.writeHead(200);
      outgoing.flushHeaders();
      incoming.pipe(outgoing);
    });
    const outgoing = request(world.url, { method: 'POST', headers: { authorization: world.authorization } });
    outgoing.write('one');
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    for (const word of ['one', 'two', 'three']) {
      if (word !== 'one') outgoing.write(word);
      const [chunk] = (await once(incoming, 'data')) as [Buffer];
      expect(chunk.toString()).toBe(word);
    }
    outgoing.end();
    incoming.resume();
    await once(incoming, 'end');
  });

  test('a client that goes away cancels the request to the upstream', async () => {
    const arrived = new Gate();
    const cancelled = new Gate();
    await using world = await forwardWorld((incoming, outgoing) => {
      outgoing.write('begun');
      outgoing.on('close', () => cancelled.open());
      incoming.resume();
      arrived.open();
    });
    const outgoing = request(world.url, { headers: { authorization: world.authorization } });
    outgoing.on('error', () => {});
    outgoing.end();
    await once(outgoing, 'response');
    await arrived.pass();
    outgoing.destroy();
    await cancelled.pass();
    await vi.waitFor(async () => {
      const metrics = await (await fetch(`${new URL(world.url).origin}/metrics`)).text();
      expect(metrics).toContain('spokecast_forwards_total{outcome="client-aborted",region="eu-west-1"} 1');
      expect(metrics).toMatch(/spokecast_forwards_under_way\{.*\} 0/);
    });
  });

  test('so does one that goes away before the upstream has answered', async () => {
    const cancelled = new Gate();
    await using world = await forwardWorld((incoming) => {
      incoming.on('close', () => cancelled.open());
      incoming.resume();
    });
    const outgoing = request(world.url, { method: 'POST', headers: { authorization: world.authorization } });
    outgoing.on('error', () => {});
    outgoing.write('half a body');
    await vi.waitFor(() => expect(world.upstream.sockets.size).toBe(1));
    outgoing.destroy();
    await cancelled.pass();
  });

  test('an answer that comes before the request is over is the answer', async () => {
    await using world = await forwardWorld((_incoming, outgoing) => {
      outgoing.writeHead(413, { connection: 'close' });
      outgoing.end('too much');
    });
    const outgoing = request(world.url, { method: 'POST', headers: { authorization: world.authorization } });
    outgoing.on('error', () => {});
    outgoing.write('a beginning');
    const answer = await answerOf(outgoing);
    expect([answer.status, answer.text]).toEqual([413, 'too much']);
    outgoing.destroy();
  });

  test('Expect: 100-continue is answered here', async () => {
    await using world = await forwardWorld(echo);
    const headers = { authorization: world.authorization, expect: '100-continue', 'content-length': '4' };
    const outgoing = request(world.url, { method: 'POST', headers });
    outgoing.flushHeaders();
    await once(outgoing, 'continue');
    outgoing.end('body');
    const answer = await answerOf(outgoing);
    expect(answer.json().body).toBe(Buffer.from('body').toString('base64'));
    expect(answer.json().headers).not.toHaveProperty('expect');
  });

  test('an answer whose reason cannot be told is told without it', async () => {
    let taken = 0;
    await using world = await forwardWorld((incoming) => {
      taken += 1;
      incoming.socket.end(
        Buffer.from('HTTP/1.1 201 Cr\u00e9\u00e9\r\ncontent-length: 4\r\n\r\nmade', 'latin1'),
      );
    });
    const answer = await send(world.url, { method: 'POST', headers: { authorization: world.authorization } });
    expect([answer.status, answer.text, taken]).toEqual([201, 'made', 1]);
  });

  test('an answer in pieces of any size arrives whole, with its headers before its body is over', async () => {
    const gate = new Gate();
    await using world = await forwardWorld(async (incoming, outgoing) => {
      const chunked = incoming.url === '/chunked';
      if (!chunked) outgoing.setHeader('content-length', 6);
      outgoing.flushHeaders();
      await gate.pass();
      for (const piece of ['one', 't', 'wo']) {
        outgoing.write(piece);
        await new Promise(setImmediate);
      }
      outgoing.end();
    });
    for (const path of ['/chunked', '/counted']) {
      const outgoing = request(world.url + path, { headers: { authorization: world.authorization } });
      outgoing.end();
      const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
      gate.open();
      let text = '';
      for await (const chunk of incoming) text += chunk;
      expect(text).toBe('onetwo');
    }
  });

  test('connection-specific headers end here, both ways', async () => {
    await using world = await forwardWorld((incoming, outgoing) => {
      outgoing.writeHead(200, {
        connection: 'x-hop',
        'x-hop': '1',
        'x-end': '2',
        'keep-alive': 'timeout=77',
        'proxy-authenticate': 'Basic',
      });
      outgoing.end(JSON.stringify(incoming.headers));
    });
    const headers = {
      authorization: world.authorization,
      connection: 'x-mine',
      'x-mine': '1',
      'x-stay': '2',
      te: 'gzip',
    };
    const answer = await send(world.url, { headers });
    expect(answer.json()).toMatchObject({ 'x-stay': '2' });
    expect(answer.json()).not.toHaveProperty('x-mine');
    expect(answer.json()).not.toHaveProperty('te');
    expect(answer.headers['x-end']).toBe('2');
    expect(answer.headers).not.toHaveProperty('x-hop');
    expect(answer.headers).not.toHaveProperty('proxy-authenticate');
    expect(answer.headers['keep-alive']).not.toBe('timeout=77');
  });
});

test('a small body that comes in pieces is whole before the upstream is asked, and the next request has the connection', async () => {
  let asked = 0;
  await using world = await forwardWorld((incoming, outgoing) => {
    asked += 1;
    incoming.pipe(outgoing);
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  using _ended = { [Symbol.dispose]: () => agent.destroy() };
  const headers = { authorization: world.authorization, 'content-length': '7' };
  for (const turn of [1, 2]) {
    const outgoing = request(world.url, { method: 'POST', headers, agent });
    outgoing.write('one ');
    await vi.waitFor(async () => expect(await world.metric('spokecast_forwards_under_way')).toBe(1));
    expect(asked).toBe(turn - 1);
    outgoing.end('two');
    const answer = await answerOf(outgoing);
    expect([answer.status, answer.text, outgoing.reusedSocket]).toEqual([200, 'one two', turn === 2]);
  }
  expect(asked).toBe(2);
});

test.each([
  ['that is kept whole', 1_000],
  ['that is streamed', 100_000],
])(
  '[law 8] a client that falls silent in the middle of a body %s loses its connection',
  async (_, length) => {
    const environment = {
      SPOKECAST_UPSTREAM_HEADERS_TIMEOUT_MS: '100',
      SPOKECAST_UPSTREAM_IDLE_TIMEOUT_MS: '100',
    };
    await using world = await forwardWorld(echo, { environment });
    const { hostname, port, pathname } = new URL(world.url);
    const socket = connect(Number(port), hostname);
    await using _ended = { [Symbol.asyncDispose]: async () => void socket.destroy() };
    socket.on('error', () => {}).resume();
    socket.write(`POST ${pathname} HTTP/1.1\r\nhost: gateway\r\nauthorization: ${world.authorization}\r\n`);
    socket.write(`content-length: ${length}\r\n\r\nthe beginning`);
    await vi.waitFor(() => expect(socket.closed).toBe(true), { timeout: 20_000 });
    const aborted = 'spokecast_forwards_total{outcome="client-aborted"}';
    await vi.waitFor(async () => expect(await world.metric(aborted)).toBe(1), { timeout: 30_000 });
  },
);

describe('upstreams that fail', () => {
  test('unreachable: 502', async () => {
    await using world = await forwardWorld(echo, { upstreamUrl: 'http://127.0.0.1:1' });
    const answer = await send(world.url, { headers: { authorization: world.authorization } });
    expect([answer.status, answer.json().code]).toEqual([502, 'UPSTREAM_UNREACHABLE']);
    expect(answer.headers['content-type']).toBe('application/problem+json');
  });

  test('breaking off before the answer: 502', async () => {
    await using world = await forwardWorld((incoming) => incoming.socket.destroy());
    const answer = await send(world.url, { headers: { authorization: world.authorization } });
    expect([answer.status, answer.json().code]).toEqual([502, 'UPSTREAM_BROKEN']);
  });

  test('speaking no HTTP: 502', async () => {
    const server = createTcpServer((socket) => socket.on('error', () => {}).end('what is this\r\n\r\n'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const upstreamUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await using world = await forwardWorld(echo, { upstreamUrl });
    const answer = await send(world.url, { headers: { authorization: world.authorization } });
    expect([answer.status, answer.json().code]).toEqual([502, 'UPSTREAM_BROKEN']);
    server.close();
  });

  test('silent: 504', async () => {
    const environment = { SPOKECAST_UPSTREAM_HEADERS_TIMEOUT_MS: '150' };
    await using world = await forwardWorld(() => {}, { environment });
    const answer = await send(world.url, { headers: { authorization: world.authorization } });
    expect([answer.status, answer.json().code]).toEqual([504, 'UPSTREAM_TIMEOUT']);
  });

  test('not taking the connection: 504', async () => {
    // Nobody answers in this network (RFC 5737), or it is refused at once; both are told, never waited for.
    const environment = { SPOKECAST_UPSTREAM_CONNECT_TIMEOUT_MS: '150' };
    await using world = await forwardWorld(echo, { environment, upstreamUrl: 'http://192.0.2.1:9' });
    const answer = await send(world.url, { headers: { authorization: world.authorization } });
    expect([502, 504]).toContain(answer.status);
  });

  test('silent in the middle of the answer: it is cut off, so that half of it is not taken for all', async () => {
    const environment = { SPOKECAST_UPSTREAM_IDLE_TIMEOUT_MS: '150' };
    await using world = await forwardWorld(
      (_incoming, outgoing) => {
        outgoing.writeHead(200);
        outgoing.write('half');
      },
      { environment },
    );
    await expect(send(world.url, { headers: { authorization: world.authorization } })).rejects.toThrow(
      'aborted',
    );
  });

  test('breaking off in the middle of the answer: it is cut off', async () => {
    await using world = await forwardWorld((incoming, outgoing) => {
      outgoing.writeHead(200);
      outgoing.write('half', () => incoming.socket.destroy());
    });
    await expect(send(world.url, { headers: { authorization: world.authorization } })).rejects.toThrow(
      'aborted',
    );
  });

  test('[law 8] slow: no more than the bound are under way, the others are 503 at once', async () => {
    const gate = new Gate();
    const environment = { SPOKECAST_UPSTREAM_CONNECTIONS_MAX: '2' };
    await using world = await forwardWorld(
      async (_incoming, outgoing) => {
        await gate.pass();
        outgoing.end('done');
      },
      { environment },
    );
    const headers = { authorization: world.authorization };
    const slow = [send(world.url, { headers }), send(world.url, { headers })];
    await gate.reached(2);
    const third = await send(world.url, { headers });
    expect([third.status, third.json().code, third.headers['retry-after']]).toEqual([
      503,
      'UPSTREAM_OVERLOADED',
      '1',
    ]);
    gate.open();
    expect((await Promise.all(slow)).map(({ text }) => text)).toEqual(['done', 'done']);
    expect((await send(world.url, { headers })).status).toBe(200);
  });
});
