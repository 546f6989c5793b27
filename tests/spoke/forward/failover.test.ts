import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { forwardWorld } from '../support/forward-world.ts';
import { send, startUpstream } from '../support/upstream.ts';

const dead = 'http://127.0.0.1:1';
const place = (url: string, priority = 0, weight = 1) => ({ url, priority, weight });

/** An upstream that takes a request and breaks the connection off, and counts how often. */
async function breaking() {
  let taken = 0;
  const upstream = await startUpstream((incoming) => {
    taken += 1;
    incoming.resume().on('end', () => incoming.socket.destroy());
    if (incoming.complete) incoming.socket.destroy();
  });
  return { ...upstream, taken: () => taken };
}

describe('a cluster with several upstreams', () => {
  test('goes to each in proportion, below its own base path, and never to a later priority', async () => {
    await using one = await startUpstream((incoming, outgoing) => outgoing.end(`one ${incoming.url}`));
    await using other = await startUpstream((incoming, outgoing) => outgoing.end(`other ${incoming.url}`));
    await using spare = await startUpstream((_incoming, outgoing) => outgoing.end('spare'));
    const upstreams = [place(spare.url, 5, 100), place(`${one.url}/a/`, 1, 3), place(`${other.url}/b`, 1, 1)];
    await using world = await forwardWorld((_incoming, outgoing) => outgoing.end('nobody'), { upstreams });
    const counts: Record<string, number> = {};
    for (let i = 0; i < 200; i++) {
      const { text } = await send(`${world.url}/x`, { headers: { authorization: world.authorization } });
      counts[text] = (counts[text] ?? 0) + 1;
    }
    expect(Object.keys(counts).sort()).toEqual(['one /a/x', 'other /b/x']);
    // 150 expected of 200; out of these bounds in fewer than one of a hundred thousand runs.
    expect(counts['one /a/x']).toBeGreaterThan(120);
    expect(counts['one /a/x']).toBeLessThan(178);
  });

  test('what never reached one goes to the next, whatever the method, body and all', async () => {
    await using good = await startUpstream(async (incoming, outgoing) => {
      let text = '';
      for await (const chunk of incoming) text += chunk;
      outgoing.end(`${incoming.method} ${text}`);
    });
    const upstreams = [place(dead, 0), place(good.url, 1)];
    await using world = await forwardWorld((_incoming, outgoing) => outgoing.end(), { upstreams });
    const headers = { authorization: world.authorization };
    for (const [method, body] of [
      ['GET', undefined],
      ['POST', 'a body'],
      ['PATCH', 'x'.repeat(200_000)],
    ] as const) {
      const answer = await send(world.url, { method, headers, ...(body ? { body } : {}) });
      expect([answer.status, answer.text]).toEqual([200, `${method} ${body ?? ''}`]);
    }
    expect(await world.metric('spokecast_forward_retries_total{failure="unreachable"}')).toBe(3);
    expect(await world.metric('spokecast_upstreams_out')).toBe(1);
    await send(world.url, { headers });
    expect(await world.metric('spokecast_forward_retries_total{failure="unreachable"}')).toBe(3);
  });

  test('what one may have received is sent again only if it is idempotent', async () => {
    await using broken = await breaking();
    await using good = await startUpstream((_incoming, outgoing) => outgoing.end('good'));
    const upstreams = [place(broken.url, 0), place(good.url, 1)];
    const environment = { SPOKECAST_UPSTREAM_FAILURES_MAX: '100' };
    await using world = await forwardWorld((_incoming, outgoing) => outgoing.end(), {
      upstreams,
      environment,
    });
    const headers = { authorization: world.authorization };
    for (const method of ['GET', 'DELETE', 'OPTIONS', 'PUT']) {
      const answer = await send(world.url, { method, headers });
      expect([answer.status, answer.text], method).toEqual([200, 'good']);
    }
    const before = broken.taken();
    for (const method of ['POST', 'PATCH']) {
      const answer = await send(world.url, { method, headers });
      expect([answer.status, answer.json().code], method).toEqual([502, 'UPSTREAM_BROKEN']);
    }
    const small = 'a body that is small';
    const large = 'x'.repeat(17 * 1024);
    const put = (body: string, framing: Record<string, string>) =>
      send(world.url, { method: 'PUT', headers: { ...headers, ...framing } as never, body });
    // What was read and is not kept cannot be sent again, however idempotent.
    for (const [body, framing] of [
      [small, { 'transfer-encoding': 'chunked' }],
      [large, { 'content-length': String(large.length) }],
    ] as const) {
      const read = await put(body, framing);
      expect([read.status, read.json().code]).toEqual([502, 'UPSTREAM_BROKEN']);
    }
    const kept = await put(small, { 'content-length': String(small.length) });
    expect([kept.status, kept.text]).toEqual([200, 'good']);
    expect(broken.taken() - before).toBe(5);
  });

  test('an answer is an answer, whatever it says', async () => {
    await using sick = await startUpstream((_incoming, outgoing) => outgoing.writeHead(503).end('sick'));
    const upstreams = [place(sick.url, 0), place(dead, 1)];
    await using world = await forwardWorld((_incoming, outgoing) => outgoing.end(), { upstreams });
    for (let i = 0; i < 5; i++) {
      const answer = await send(world.url, { headers: { authorization: world.authorization } });
      expect([answer.status, answer.text]).toEqual([503, 'sick']);
    }
  });

  test('[law 8] attempts are bounded', async () => {
    let taken = 0;
    const servers = Array.from({ length: 5 }, () =>
      createServer((socket) => {
        taken += 1;
        socket.on('error', () => {}).destroy();
      }),
    );
    const urls = await Promise.all(
      servers.map(
        (server) =>
          new Promise<string>((resolve) => {
            server.listen(0, '127.0.0.1', () =>
              resolve(`http://127.0.0.1:${(server.address() as { port: number }).port}`),
            );
          }),
      ),
    );
    await using world = await forwardWorld((_incoming, outgoing) => outgoing.end(), {
      upstreams: urls.map((url) => place(url)),
    });
    const answer = await send(world.url, { headers: { authorization: world.authorization } });
    expect([answer.status, taken]).toEqual([502, 3]);
    for (const server of servers) server.close();
  });
});

describe('a cluster with one upstream', () => {
  test('is asked again once where a kept connection may have ended, and only if that is harmless', async () => {
    await using broken = await breaking();
    await using world = await forwardWorld((_incoming, outgoing) => outgoing.end(), {
      upstreamUrl: broken.url,
    });
    const headers = { authorization: world.authorization };
    expect((await send(world.url, { headers })).status).toBe(502);
    expect(broken.taken()).toBe(2);
    expect((await send(world.url, { method: 'POST', headers })).status).toBe(502);
    expect(broken.taken()).toBe(3);
  });

  test('that is gone: who uploads is told, and not cut off', async () => {
    await using world = await forwardWorld((_incoming, outgoing) => outgoing.end(), { upstreamUrl: dead });
    const headers = { authorization: world.authorization, 'content-length': '500000' };
    const answer = await send(world.url, { method: 'POST', headers, body: 'x'.repeat(500_000) });
    expect([answer.status, answer.json().code]).toEqual([502, 'UPSTREAM_UNREACHABLE']);
  });

  test('is asked again over its only connection, when that fails before it is made', async () => {
    const uncaught: Error[] = [];
    const note = (error: Error) => uncaught.push(error);
    process.on('uncaughtExceptionMonitor', note);
    onTestFinished(() => void process.off('uncaughtExceptionMonitor', note));
    let taken = 0;
    await using reset = await startUpstream(() => {});
    reset.server.removeAllListeners('connection').on('connection', (socket) => {
      taken += 1;
      socket.on('error', () => {}).once('data', () => socket.resetAndDestroy()); // the beginning of a handshake
    });
    await using world = await forwardWorld((_incoming, outgoing) => outgoing.end(), {
      upstreamUrl: reset.url.replace('http:', 'https:'),
      environment: { SPOKECAST_UPSTREAM_CONNECTIONS_MAX: '1' },
    });
    for (const asked of [2, 4]) {
      const answer = await send(world.url, { headers: { authorization: world.authorization } });
      expect([answer.status, answer.json().code, taken]).toEqual([502, 'UPSTREAM_BROKEN', asked]);
    }
    expect(uncaught).toEqual([]);
  });
});
