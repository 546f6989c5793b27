import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { systemRandom } from '../../contexts/base/random.ts';
import { importedKeyId, verifierOf } from '../../contexts/secrets.ts';
import { Authenticator } from '../../spoke/authenticate.ts';
import { KnownKeys } from '../../spoke/cache/known-keys.ts';
import { Census } from '../../spoke/census.ts';
import { cacheWorld } from './support/cache-world.ts';
import { allOf, announcementOf, type Demo, keyContext, newDemo } from './support/contexts.ts';
import { gatewayWorld } from './support/gateway-world.ts';

const knownKeys = (keysMax = 10_000) => new KnownKeys({ keysMax, random: systemRandom });

describe('known keys', () => {
  test('all that were put in are found, and hardly any other', () => {
    const known = knownKeys(10_000);
    known.begin();
    for (let n = 0; n < 10_000; n++) known.add(`agent-key/aki_${n}`);
    expect(known.finish()).toBe('told');
    let mistaken = 0;
    for (let n = 0; n < 10_000; n++) {
      expect(known.tells(`agent-key/aki_${n}`)).toBe('known');
      if (known.tells(`agent-key/aki_x${n}`) === 'known') mistaken += 1;
    }
    expect(mistaken).toBeLessThan(40); // one in a thousand, by chance
  });

  test('nothing is unheard before a census told, and after a doubt; what was heard meanwhile is in it', () => {
    const known = knownKeys();
    expect(known.tells('agent-key/new')).toBe('untold');
    known.add('agent-key/announced');
    expect(known.tells('agent-key/announced')).toBe('known');
    known.begin();
    known.add('agent-key/meanwhile');
    expect(known.tells('agent-key/new')).toBe('untold');
    expect(known.finish()).toBe('told');
    expect(known.tells('agent-key/meanwhile')).toBe('known');
    expect(known.tells('agent-key/announced')).toBe('unheard'); // the census would have read it
    known.begin();
    known.doubt();
    expect(known.finish()).toBe('doubted');
    expect(known.tells('agent-key/new')).toBe('untold');
    expect(known.tells('agent-key/meanwhile')).toBe('known');
  });
});

/** A cache whose census is over, and keys that are in the store and not in memory. */
async function counted(
  settings: NonNullable<Parameters<typeof cacheWorld>[0]>['settings'],
  keyCount: number,
) {
  const known = knownKeys();
  const world = await cacheWorld({ settings, known });
  const demos = Array.from({ length: keyCount }, newDemo);
  for (const demo of demos) for (const envelope of allOf(demo, 1)) await world.store.put(envelope);
  const census = new Census({
    ...{ store: world.store, known, clock: world.clock, random: systemRandom },
    mayBegin: () => world.cache.stats().state === 'open',
    onTold: (keys) => world.events.push(`told ${keys}`),
    onError: (error) => world.events.push(`census failed ${error}`),
  });
  census.start();
  await world.clock.advance(2_000);
  world.store.resetCounts();
  return {
    ...world,
    known,
    demos,
    async [Symbol.asyncDispose]() {
      await census[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

describe('[law 8] a flood of made-up keys', () => {
  test('is read at the set rate, and takes nothing from keys of the region that nobody asked for yet', async () => {
    const settings = { unknownPerSecond: 100, unknownBurst: 200, negativesMax: 500 };
    await using world = await counted(settings, 60);
    expect(world.events).toContain('told 60');
    world.events.length = 0;
    const waits: number[] = [];
    const outcomes = new Set<string>();
    for (let tenth = 0; tenth < 60; tenth++) {
      for (let i = 0; i < 1_500; i++) world.cache.get('agent-key', `aki_made_up_${tenth}_${i}`);
      const askedAt = world.clock.monotonic();
      const cold = world.cache.get('agent-key', world.demos[tenth]!.keyId);
      void Promise.resolve(cold).then(({ outcome }) => {
        outcomes.add(outcome);
        waits.push(world.clock.monotonic() - askedAt);
      });
      await world.clock.advance(100);
    }
    expect(waits).toHaveLength(60);
    expect(outcomes).toEqual(new Set(['filled']));
    expect(Math.max(...waits)).toBeLessThan(100);
    const absent = world.events.filter((event) => event === 'fill agent-key absent').length;
    expect(absent).toBeGreaterThan(600);
    // The flood's own budget, and that of strangers that pass for known: one in a thousand of them.
    expect(absent).toBeLessThanOrEqual(200 + 6 * 100 + 300);
    expect(world.cache.stats()).toMatchObject({ negatives: 500, entries: 60, flights: 0 });
  });

  test('does not fill the queue that keys of the region wait in, while the store hangs', async () => {
    const lane = { batchesMax: 1, flightsMax: 50 };
    const lanes = { announced: lane, cold: lane, unknown: lane, background: lane };
    await using world = await counted({ lanes }, 1);
    const gate = world.store.holdNext('read', 2);
    for (let i = 0; i < 500; i++) world.cache.get('agent-key', `aki_made_up_${i}`);
    const cold = world.cache.get('agent-key', world.demos[0]!.keyId);
    await world.clock.advance(10);
    expect(gate.arrived).toBe(2); // one of each lane
    gate.open();
    await world.clock.advance(10);
    expect((await cold).outcome).toBe('filled');
  });

  test('of no form at all is bounded too where imported keys are looked up, and those feel nothing of it', async () => {
    const settings = { unknownPerSecond: 10, unknownBurst: 20 };
    await using world = await counted(settings, 1);
    const secret = 'made-elsewhere-0123456789';
    const key = keyContext({ ...world.demos[0]!, keyId: importedKeyId(verifierOf(secret)), secret }, 1);
    await world.store.put(key);
    world.cache.announced(announcementOf(key));
    const authenticator = new Authenticator({ ...world, importedKeys: 'looked-up' });
    const ask = (shown: string) =>
      authenticator.authenticate({ authorization: undefined, agentKey: shown, clusterId: undefined });
    const nonsense = Array.from({ length: 500 }, (_, n) => ask(`nonsense-nonsense-${n}`));
    const known = ask(secret);
    await world.clock.advance(1_000);
    expect((await known).outcome).toBe('granted');
    const codes = (await Promise.all(nonsense)).map((each) => each.outcome === 'refused' && each.code);
    expect(new Set(codes)).toEqual(new Set(['NOT_FOUND', 'OVERLOADED']));
    expect(codes.filter((code) => code === 'NOT_FOUND').length).toBeLessThanOrEqual(20 + 2);
  });

  test('of keys that are known and gone is read at the set rate too', async () => {
    const settings = { unknownPerSecond: 10, unknownBurst: 20 };
    await using world = await counted(settings, 0);
    for (let i = 0; i < 500; i++) world.known.add(`agent-key/aki_gone_${i}`);
    for (let i = 0; i < 500; i++) world.cache.get('agent-key', `aki_gone_${i}`);
    await world.clock.advance(1_000);
    expect(world.events.filter((event) => event === 'fill agent-key absent')).toHaveLength(20);
  });

  test('that asks for one made-up key again and again does not lift it into the lane of known ones', async () => {
    const lane = { batchesMax: 1, flightsMax: 50 };
    const lanes = { announced: lane, cold: lane, unknown: lane, background: lane };
    await using world = await counted({ lanes }, 1);
    const gate = world.store.holdNext('read');
    for (let i = 0; i < 100; i++) world.cache.get('agent-key', 'aki_made_up_first');
    await world.clock.advance(5);
    for (let i = 0; i < 200; i++) world.cache.get('agent-key', `aki_made_up_${i % 49}`);
    const cold = world.cache.get('agent-key', world.demos[0]!.keyId);
    await world.clock.advance(10);
    expect((await cold).outcome).toBe('filled');
    gate.open();
  });

  test('leaves a new key its lane as soon as it is announced, and after announcements were missed there is a new census', async () => {
    await using world = await counted({}, 1);
    const fresh: Demo = newDemo();
    expect(world.known.tells(`agent-key/${fresh.keyId}`)).toBe('unheard');
    await world.store.put(keyContext(fresh, 1));
    world.cache.announced(announcementOf(keyContext(fresh, 1)));
    expect(world.known.tells(`agent-key/${fresh.keyId}`)).toBe('known');
    world.cache.suspectAll();
    expect(world.known.isTold).toBe(false);
    await world.clock.advance(2_000);
    expect(world.events).toContain('told 2');
    expect(world.known.isTold).toBe(true);
  });
});

/** A connection on which a client says as little as it likes. */
async function plainSocket(url: string): Promise<Socket & { said: string }> {
  const { hostname, port } = new URL(url);
  const socket = Object.assign(connect(Number(port), hostname), { said: '' });
  socket.setEncoding('utf8').on('data', (text: string) => {
    socket.said += text;
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

describe('[law 8] the door', () => {
  const door = (environment: Record<string, string>) => gatewayWorld({ initialised: true, environment });
  const turnedAway = async (url: string, why: string) => {
    const text = await (await fetch(`${url}/metrics`, { headers: { connection: 'close' } })).text();
    const line = new RegExp(`spokecast_connections_turned_away_total\\{why="${why}",[^}]*\\} (\\d+)`);
    return Number(line.exec(text)?.[1] ?? 0);
  };

  test('headers that come too slowly are cut off at the set time, and so is who says nothing', async () => {
    await using world = await door({ SPOKECAST_HEADERS_TIMEOUT_MS: '300' });
    const [slow, silent] = [await plainSocket(world.url), await plainSocket(world.url)];
    const startedAt = performance.now();
    slow.write('GET /healthz HTTP/1.1\r\nhost: x\r\n');
    const drip = setInterval(() => slow.write('x-drip: 1\r\n'), 20);
    await Promise.all([once(slow, 'close'), once(silent, 'close')]);
    clearInterval(drip);
    expect(performance.now() - startedAt).toBeGreaterThan(250);
    expect(slow.said).toMatch(/^HTTP\/1\.1 408 /);
    expect(await turnedAway(world.url, 'headers-too-slow')).toBe(2);
  });

  test('a body that never ends loses its connection, whatever was asked and after it was answered', async () => {
    await using world = await door({});
    const asked = [
      ...['GET /healthz', 'HEAD /healthz', 'POST /healthz', 'GET /readyz', 'GET /metrics', 'GET /nowhere'],
      ...['DELETE /nowhere', 'GET /v1/authenticate', 'PUT /v1/clusters/vci_1/x', 'GET /v1/clusters/vci_1/..'],
    ];
    const held = await Promise.all(asked.map(() => plainSocket(world.url)));
    for (const [at, socket] of held.entries())
      socket.write(`${asked[at]} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n`);
    const drip = setInterval(() => {
      for (const socket of held) socket.write('1\r\nx\r\n');
    }, 50);
    try {
      await vi.waitFor(() => expect(asked.filter((_, at) => !held[at]!.closed)).toEqual([]), {
        timeout: 30_000,
      });
    } finally {
      clearInterval(drip);
      for (const socket of held) socket.destroy();
    }
    expect(held.map(({ said }) => /^HTTP\/1\.1 (\d+) /.exec(said)?.[1])).toEqual([
      '200',
      '200',
      '404',
      '200',
      '200',
      '404',
      '404',
      '401',
      '401',
      '400',
    ]);
  });

  test('headers that are too big are refused with 431, and others still served', async () => {
    await using world = await door({ SPOKECAST_HEADER_BYTES_MAX: '2048' });
    const big = await plainSocket(world.url);
    big.write(`GET /healthz HTTP/1.1\r\nhost: x\r\nx-big: ${'x'.repeat(4_000)}\r\n\r\n`);
    await once(big, 'close');
    expect(big.said).toMatch(/^HTTP\/1\.1 431 /);
    const garbled = await plainSocket(world.url);
    garbled.write('not http at all\r\n\r\n');
    await once(garbled, 'close');
    expect(garbled.said).toMatch(/^HTTP\/1\.1 400 /);
    expect((await fetch(`${world.url}/healthz`)).status).toBe(200);
    expect(await turnedAway(world.url, 'headers-too-big')).toBe(1);
    expect(await turnedAway(world.url, 'malformed')).toBe(1);
  });

  test('connections above the maximum are closed and counted, and make room again', async () => {
    await using world = await door({ SPOKECAST_CONNECTIONS_MAX: '3' });
    const held = await Promise.all(Array.from({ length: 3 }, () => plainSocket(world.url)));
    for (const socket of held) socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    await vi.waitFor(() => expect(held.every(({ said }) => said.includes('200 OK'))).toBe(true), {
      timeout: 30_000,
    });
    const refused = await plainSocket(world.url);
    if (!refused.closed) await once(refused, 'close');
    expect(refused.said).toBe('');
    for (const socket of held) socket.destroy();
    await vi.waitFor(
      async () => expect(await turnedAway(world.url, 'connections-max')).toBeGreaterThanOrEqual(1),
      {
        timeout: 30_000,
      },
    );
  });

  test('a client is told to take another connection after as many requests as one may carry, and cut off if it does not', async () => {
    await using world = await door({ SPOKECAST_REQUESTS_PER_CONNECTION_MAX: '2' });
    const socket = await plainSocket(world.url);
    const answers = () => socket.said.match(/HTTP\/1\.1 200/g)?.length ?? 0;
    for (const count of [1, 2]) {
      expect(socket.said).not.toMatch(/connection: close/i);
      socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
      await vi.waitFor(() => expect(answers()).toBe(count), { timeout: 30_000 });
    }
    expect(socket.said).toMatch(/connection: close/i);
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(socket, 'close');
    expect(answers()).toBe(2);
    expect(await turnedAway(world.url, 'requests-max')).toBe(1);
  });
});
