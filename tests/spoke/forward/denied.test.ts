import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { type AddressInfo, isIP, type LookupFunction } from 'node:net';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { Client } from 'undici';
import { describe, expect, test } from 'vitest';
import { Dialling } from '../../../spoke/forward/dialling.ts';
import { type ForwardWorldOptions, forwardWorld } from '../support/forward-world.ts';
import { answerOf, send, startUpstream } from '../support/upstream.ts';

const asShipped = { SPOKECAST_UPSTREAM_LOOPBACK: 'denied' };
const openLoopback = { SPOKECAST_UPSTREAM_LOOPBACK: 'allowed' };

/** The clients that a gateway sends requests by are undici's and, for those with trailers, node's own. */
const ways = { plainly: {}, 'with trailers': { te: 'trailers', connection: 'te' } };
const upgrade = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
};

/** A gateway whose cluster's upstream, which answers `credentials`, is at `host`; and who connected there. */
async function deniedWorld(host: string, options: ForwardWorldOptions = {}) {
  let connections = 0;
  const inside = await startUpstream((_incoming, outgoing) => outgoing.end('credentials'));
  inside.server.on('connection', () => {
    connections += 1;
  });
  const { port } = new URL(inside.url);
  const world = await forwardWorld((_incoming, outgoing) => outgoing.end('well'), {
    environment: asShipped,
    upstreamUrl: `http://${host}:${port}`,
    ...options,
  });
  return {
    ...world,
    inside,
    connections: () => connections,
    ask: (headers: Record<string, string> = {}) =>
      send(world.url, { headers: { authorization: world.authorization, ...headers } }),
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await inside[Symbol.asyncDispose]();
    },
  };
}

const denied = [502, 'UPSTREAM_DENIED'];

describe('an upstream at an address that is denied', () => {
  test.each([
    ['in decimal', '2130706433'],
    ['in hexadecimal', '0x7f000001'],
    ['in octal', '0177.0.0.1'],
    ['in short', '127.1'],
    ['with a dot at its end', '127.0.0.1.'],
    ['as it is', '127.0.0.1'],
    ['another of the network', '127.9.9.9'],
    ['unspecified', '0.0.0.0'],
    ['IPv4 in IPv6', '[::ffff:127.0.0.1]'],
    ['IPv4 in IPv6, in hexadecimal', '[::ffff:7f00:1]'],
    ['unspecified IPv4 in IPv6', '[::ffff:0:0]'],
    ['IPv6', '[::1]'],
    ['unspecified IPv6', '[::]'],
    ['a name that resolves there', 'localhost'],
  ])('is not connected to, %s', async (_name, host) => {
    await using world = await deniedWorld(host);
    for (const headers of Object.values(ways)) {
      const answer = await world.ask(headers);
      expect([answer.status, answer.json().code]).toEqual(denied);
      expect(answer.text).not.toMatch(/127|localhost|0\.0\.0\.0|::/);
    }
    expect(world.connections()).toBe(0);
    expect(await world.metric('spokecast_forwards_total{outcome="denied"}')).toBe(2);
  });

  test.each([
    '169.254.169.254',
    '2852039166',
    '[::ffff:a9fe:a9fe]',
    '[64:ff9b::a9fe:a9fe]',
    '[fe80::1]',
    '[fd00:ec2::254]',
    '[fd20:ce::254]',
    '168.63.129.16',
    '100.100.100.200',
  ])('is not connected to where loopback is allowed: %s', async (host) => {
    await using world = await deniedWorld(host, { environment: openLoopback });
    const answer = await world.ask();
    expect([answer.status, answer.json().code]).toEqual(denied);
  });

  test('is connected to where the operator allows it', async () => {
    for (const host of ['127.0.0.1', 'localhost']) {
      await using world = await deniedWorld(host, { environment: openLoopback });
      for (const headers of Object.values(ways)) expect((await world.ask(headers)).text).toBe('credentials');
    }
    const only = { ...openLoopback, SPOKECAST_UPSTREAM_ALLOWED_NETWORKS: '10.0.0.0/8,127.0.0.0/30' };
    await using inside = await deniedWorld('127.0.0.1', { environment: only });
    expect((await inside.ask()).text).toBe('credentials');
    await using outside = await deniedWorld('127.0.0.4', { environment: only });
    expect((await outside.ask()).json().code).toBe('UPSTREAM_DENIED');
  });

  test('is not connected to over TLS either', async () => {
    for (const host of ['127.0.0.1', 'localhost']) {
      await using world = await deniedWorld(host, { upstreamUrl: `https://${host}:1` });
      for (const headers of Object.values(ways)) {
        const answer = await world.ask(headers);
        expect([answer.status, answer.json().code]).toEqual(denied);
      }
    }
  });

  test('takes no WebSocket', async () => {
    for (const host of ['127.0.0.1', 'localhost']) {
      await using world = await deniedWorld(host);
      const headers = { authorization: world.authorization, ...upgrade };
      const outgoing = request(`${world.url}/ws`, { headers, agent: false });
      outgoing.end();
      const answer = await answerOf(outgoing);
      expect([answer.status, answer.json().code]).toEqual(denied);
      expect(world.connections()).toBe(0);
    }
  });

  test('is passed over for another, with the body, and is not left alone for it', async () => {
    await using good = await startUpstream(async (incoming, outgoing) => {
      let text = '';
      for await (const chunk of incoming) text += chunk;
      outgoing.end(`good ${text}`);
    });
    const upstreams = [
      { url: 'http://169.254.169.254', priority: 0, weight: 1 },
      { url: good.url, priority: 1, weight: 1 },
    ];
    const environment = { ...openLoopback, SPOKECAST_UPSTREAM_FAILURES_MAX: '1' };
    await using world = await forwardWorld((_incoming, outgoing) => outgoing.end(), {
      upstreams,
      environment,
    });
    const headers = { authorization: world.authorization };
    for (let i = 1; i <= 3; i++) {
      const answer = await send(world.url, { method: 'POST', body: 'body', headers });
      expect([answer.status, answer.text]).toEqual([200, 'good body']);
      expect(await world.metric('spokecast_forward_retries_total{failure="denied"}')).toBe(i);
    }
    expect(await world.metric('spokecast_upstreams_out')).toBe(0);
  });

  test('is told to operators with its host and address, once a while', async () => {
    const lines: Record<string, unknown>[] = [];
    const stream = new Writable({
      write(chunk, _encoding, done) {
        lines.push(JSON.parse(String(chunk)));
        done();
      },
    });
    await using world = await deniedWorld('localhost', { log: pino({ level: 'warn' }, stream) });
    for (let i = 0; i < 3; i++) await world.ask();
    const told = lines.filter(({ host }) => host !== undefined);
    const { clusterId, tenantId } = world.demo;
    expect(told).toEqual([
      expect.objectContaining({
        ...{ host: 'localhost', clusterId, tenantId },
        address: expect.stringMatching(/^(?:127\.0\.0\.1|::1)$/),
      }),
    ]);
  });
});

describe('a name that resolves anew', () => {
  const host = 'rebound.invalid';

  /** The name server of whoever owns the name: each look-up gets the next answer. */
  const rebinding = (...answers: string[][]): LookupFunction => {
    let at = 0;
    return (_host, _options, callback) => {
      const addresses = answers[at++]!.map((address) => ({ address, family: isIP(address) }));
      process.nextTick(callback, null, addresses);
    };
  };
  const bad = '127.0.0.1';
  const good = '127.0.0.2';
  const networks = { denied: [`${bad}/32`], allowed: undefined, loopback: 'allowed' } as const;

  /** Answers with the address that it was reached at. */
  async function startEverywhere() {
    const server = createServer((incoming, outgoing) => outgoing.end(incoming.socket.localAddress));
    server.listen(0, '0.0.0.0');
    await once(server, 'listening');
    return {
      port: (server.address() as AddressInfo).port,
      async [Symbol.asyncDispose]() {
        const closed = once(server, 'close');
        server.close();
        server.closeAllConnections();
        await closed;
      },
    };
  }

  const clients = {
    async undici(dialling: Dialling, port: number) {
      const client = new Client(`http://${host}:${port}`, { connect: dialling.connector(30_000) });
      try {
        return await (await client.request({ path: '/', method: 'GET' })).body.text();
      } finally {
        await client.destroy();
      }
    },
    async node(dialling: Dialling, port: number) {
      const outgoing = request({ host, port, agent: dialling.guard(new Agent()) });
      outgoing.end();
      return (await answerOf(outgoing)).text;
    },
    async 'node, by the first address alone'(dialling: Dialling, port: number) {
      const agent = dialling.guard(new Agent({ autoSelectFamily: false }));
      const outgoing = request({ host, port, agent });
      outgoing.end();
      return (await answerOf(outgoing)).text;
    },
  };

  test.each(Object.entries(clients))(
    'is judged by what each connection is made to: %s',
    async (_name, ask) => {
      await using upstream = await startEverywhere();
      const dialling = new Dialling(
        networks,
        rebinding([good], [bad], [`::ffff:${bad}`], [bad, good], [good, bad]),
      );
      const answer = () => ask(dialling, upstream.port);
      expect(await answer()).toBe(good);
      await expect(answer()).rejects.toMatchObject({ name: 'UpstreamDeniedError', host, address: bad });
      await expect(answer()).rejects.toMatchObject({ name: 'UpstreamDeniedError', address: `::ffff:${bad}` });
      expect(await answer()).toBe(good);
      expect(await answer()).toBe(good);
    },
  );
});
