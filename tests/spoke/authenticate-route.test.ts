import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { getRequestListener } from '@hono/node-server';
import fc from 'fast-check';
import { type Context, Hono } from 'hono';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { systemRandom } from '../../contexts/base/random.ts';
import { newSecret } from '../../contexts/secrets.ts';
import { MemoryStore } from '../../contexts/stores/memory.ts';
import { MemoryTable } from '../../contexts/stores/memory-table.ts';
import { answerOf } from '../../spoke/answers.ts';
import { authenticateRouteOf } from '../../spoke/authenticate-route.ts';
import { forwardAuthAnswer } from '../../spoke/forward-auth.ts';
import { headersOf } from '../../spoke/replies.ts';
import type { Gateway } from '../../spoke/wire.ts';
import {
  allOf,
  clusterContext,
  type Demo,
  gone,
  initialise,
  keyContext,
  newDemo,
  owner,
  publish,
  tenantContext,
} from './support/contexts.ts';
import { startGateway } from './support/gateway-world.ts';

/**
 * The hot path reads and writes node's own objects. This is the same with a framework's: what is served must be what
 * Hono would serve of the same decisions, whatever is asked and however.
 */
async function startPlainly({ authenticator }: Gateway) {
  const app = new Hono();
  const plainly = (answer: typeof answerOf) => async (c: Context) => {
    const decision = await authenticator.authenticate({
      authorization: c.req.header('authorization'),
      agentKey: c.req.header('spokecast-agent-key'),
      clusterId: undefined,
    });
    const reply = answer(decision, owner.region);
    return new Response(reply.body, { status: reply.status, headers: headersOf(reply) });
  };
  app.all('/v1/authenticate', plainly(answerOf));
  app.all('/v1/forward-auth', plainly(forwardAuthAnswer));
  const listener = getRequestListener(app.fetch);
  const server = createServer({ keepAliveTimeout: 75_000 }, (incoming, outgoing) => {
    const after = incoming.url!.replace(/^[a-z]+:\/\/[^/]*/i, '').split(/[/?#\\]/);
    incoming.url = `/${after[1]}/${after[2]}`;
    void listener(incoming, outgoing);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

/** Every state a key can be in, and what is shown of it. */
const shown: Record<string, string[]> = { 'wrong-secret': [] };
const shownNames = [
  ...['granted', 'disabled', 'expired', 'suspended', 'cluster-disabled', 'dangling', 'revoked'],
  ...['unknown', 'wrong-secret', 'malformed', 'wrong-checksum', 'of-another-kind', 'empty'],
] as const;
let first: Awaited<ReturnType<typeof startGateway>>;
let second: Awaited<ReturnType<typeof startGateway>>;
let plain: Awaited<ReturnType<typeof startPlainly>>;

beforeAll(async () => {
  const table = new MemoryTable();
  const store = new MemoryStore({ table });
  await initialise(store);
  const states: Record<string, (demo: Demo) => Parameters<typeof publish>[1][]> = {
    granted: (demo) => allOf(demo, 1, { name: 'Bestellungen – größer' }),
    disabled: (demo) => [...allOf(demo, 1), keyContext(demo, 2, { status: 'disabled' })],
    expired: (demo) => [...allOf(demo, 1), keyContext(demo, 2, { expiresAtMs: 1 })],
    suspended: (demo) => [...allOf(demo, 1), tenantContext(demo, 2, { status: 'suspended' })],
    'cluster-disabled': (demo) => [...allOf(demo, 1), clusterContext(demo, 2, { status: 'disabled' })],
    dangling: (demo) => [keyContext(demo, 1)],
    revoked: (demo) => [...allOf(demo, 1), gone('agent-key', demo.keyId, 2)],
    unknown: () => [],
  };
  for (const [name, contextsOf] of Object.entries(states)) {
    shown[name] = [];
    for (let n = 0; n < 3; n++) {
      const demo = newDemo();
      for (const context of contextsOf(demo)) await publish(store, context);
      shown[name].push(demo.secret);
      if (name === 'granted') shown['wrong-secret']!.push(newSecret('agentKey', demo.keyId, systemRandom));
    }
  }
  const [granted] = shown.granted!;
  shown.malformed = ['nonsense', `${granted}x`, granted!.slice(1)];
  shown['wrong-checksum'] = [`${granted!.slice(0, -1)}${granted!.endsWith('0') ? '1' : '0'}`];
  shown['of-another-kind'] = [newSecret('applicationKey', `apk_${'0'.repeat(26)}`, systemRandom)];
  shown.empty = [''];
  [first, second] = await Promise.all([
    startGateway(new MemoryStore({ table })),
    startGateway(new MemoryStore({ table })),
  ]);
  plain = await startPlainly(second.gateway);
  for (const { gateway } of [first, second])
    await vi.waitFor(() => expect(gateway.readiness().status).toBe('ready'), { timeout: 30_000 });
});

afterAll(async () => {
  plain?.server.close();
  await Promise.all([first, second].map((world) => world?.[Symbol.asyncDispose]()));
});

interface Asked {
  method: string;
  target: string;
  headers: readonly string[];
  body: string;
}

/** Byte for byte: no client that normalises, or folds headers. The answer's date is left out. */
async function ask(port: number, { method, target, headers, body }: Asked): Promise<string[]> {
  const socket = connect(port, '127.0.0.1');
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: gateway', 'Connection: close', ...headers];
  if (body !== '') lines.push(`Content-Length: ${body.length}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
  const [head, content = ''] = (await text(socket)).split('\r\n\r\n');
  const [status, ...told] = head!.split('\r\n');
  const kept = told
    .filter((line) => !/^date:/i.test(line))
    .map((line) => line.replace(/^[^:]+/, (name) => name.toLowerCase()));
  return [status!, ...kept.sort(), content];
}

const secret = fc.constantFrom(...shownNames).chain((name) => fc.nat(2).map((n) => [name, n] as const));
const header = fc.oneof(
  { weight: 6, arbitrary: secret.map((one) => ['bearer', one] as const) },
  { weight: 2, arbitrary: secret.map((one) => ['basic', one] as const) },
  { weight: 3, arbitrary: secret.map((one) => ['own', one] as const) },
  { weight: 1, arbitrary: secret.map((one) => ['digest', one] as const) },
);
const spelt = fc.constantFrom('Authorization', 'authorization', 'AUTHORIZATION');

function lineOf([style, [name, n]]: readonly [string, readonly [string, number]], spelling: string): string {
  const of = shown[name]!;
  const value = of[n % of.length]!;
  if (style === 'own') return `Spokecast-Agent-Key: ${value}`;
  if (style === 'basic') return `${spelling}: Basic ${btoa(`me:${value}`)}`;
  return `${spelling}: ${style === 'digest' ? 'Digest' : 'bearer '} ${value}`;
}

test('the hot path answers what a framework would, byte for byte but for the date', async () => {
  const codes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('GET', 'GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'HEAD', 'PROPFIND'),
      fc.constantFrom('authenticate', 'authenticate', 'forward-auth'),
      fc.constantFrom('', 'http://elsewhere.example', 'HTTPS://elsewhere.example:8443'),
      fc.constantFrom('', '/', '?a=b', '/deep/er?x=1', '/../../healthz', '/%2e%2e/x', '\\x'),
      fc.array(header, { maxLength: 2 }),
      spelt,
      fc.constantFrom('', 'a body that nobody reads'),
      async (method, route, authority, below, credentials, spelling, text) => {
        const asked = {
          ...{ method, target: `${authority}/v1/${route}${below}` },
          headers: ['X-Other: of no interest', ...credentials.map((one) => lineOf(one, spelling))],
          body: text,
        };
        const told = await ask(Number(new URL(first.url).port), asked);
        const wanted = await ask(plain.port, asked);
        if (method === 'HEAD') {
          // RFC 9110 8.6: the length that a GET would be told; a framework leaves it out.
          const { method: _, ...rest } = asked;
          const whole = await ask(Number(new URL(first.url).port), { method: 'GET', ...rest });
          expect([...told.slice(0, -1), whole.at(-1)]).toEqual(whole);
          const withoutLength = (lines: string[]) =>
            lines.filter((line) => !line.startsWith('content-length'));
          expect(withoutLength(told)).toEqual(withoutLength(wanted));
        } else expect(told).toEqual(wanted);
        codes.add(`${told[0]} ${/"code":"(\w+)"/.exec(told.at(-1)!)?.[1]}`);
      },
    ),
    { numRuns: 300 },
  );
  for (const code of [
    'NO_CREDENTIAL',
    'MALFORMED',
    'NOT_FOUND',
    'EXPIRED',
    'DISABLED',
    'TENANT_SUSPENDED',
    'DANGLING',
    'undefined',
  ])
    expect([...codes].join('\n'), 'the matrix is too small').toMatch(new RegExp(` ${code}$`, 'm'));
});

test('a body that never ends loses its connection, after the answer', async () => {
  const socket = connect(Number(new URL(first.url).port), '127.0.0.1');
  const answered = text(socket);
  socket.write(
    `POST /v1/authenticate HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${shown.granted![0]}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  expect(await answered).toMatch(/^HTTP\/1\.1 200 /);
});

test.each([
  ['/v1/authenticate', 'authenticate'],
  ['/v1/authenticate?x', 'authenticate'],
  ['/v1/authenticate#x', 'authenticate'],
  ['/v1/forward-auth/../healthz', 'forward-auth'],
  ['http://gateway/v1/authenticate/../../healthz', 'authenticate'],
  ['HTTP://gateway:1/v1/forward-auth', 'forward-auth'],
  ['/v1/authenticated', undefined],
  ['/V1/authenticate', undefined],
  ['/v1/Authenticate', undefined],
  ['/x/v1/authenticate', undefined],
  ['http://gateway/x/v1/authenticate', undefined],
  ['http:///v1/authenticate', 'authenticate'],
  ['*', undefined],
  ['', undefined],
])('%s asks about a credential: %s', (target, route) => {
  expect(authenticateRouteOf(target)).toBe(route);
});
