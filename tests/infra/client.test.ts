import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, expectTypeOf, test } from 'vitest';
import type { z } from 'zod';
import type { AgentKey } from '../../hub/api/agent-keys/agent-key.ts';
import type { Cluster } from '../../hub/api/clusters/cluster.ts';
import type { Freeze } from '../../hub/api/freeze/freeze.ts';
import type { Region } from '../../hub/api/regions/region.ts';
import type { Sweep } from '../../hub/api/sweeps/sweep.ts';
import type { Tenant } from '../../hub/api/tenants/tenant.ts';
import type * as generated from '../../infra/client/generated/hub-api.ts';
import {
  filled,
  HubApi,
  HubProblem,
  HubUnreachable,
  queryText,
  type Transport,
} from '../../infra/client/hub-api.ts';
import { everyPort, patient } from '../../infra/client/transport.ts';
import { typeOf } from '../../infra/docs/client-types.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

interface Seen {
  method: string;
  url: string;
  headers: Record<string, unknown>;
  body: string;
}

/** Something that answers as it is told, and keeps what it was asked. */
async function serve(answer: (seen: Seen, response: Parameters<RequestListener>[1]) => void) {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const one = { method, url, headers, body: Buffer.concat(chunks).toString() };
      seen.push(one);
      answer(one, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe.each([
  ['fetch', undefined],
  ['every port', everyPort],
] as const)('the client over %s', (_, transport) => {
  const client = (url: string, timeoutMs = 10_000) =>
    new HubApi({
      url: `${url}/`,
      applicationKey: 'spa_told_to_nobody',
      timeoutMs,
      ...(transport ? { transport } : {}),
    });

  test('sends what an operation takes, and gives what it answers', async () => {
    await using server = await serve((_, response) => {
      response.writeHead(200, {
        'spokecast-fence': 'fen_1',
        etag: '"e"',
        'spokecast-propagation': 'complete',
      });
      response.end('{"id":"x"}');
    });
    const answer = await client(server.url).send('updateCluster', {
      path: { id: 'a/b' },
      query: { wait: 'regions' },
      headers: { 'if-match': '"old"' },
      body: { name: 'n' },
    });
    expect(answer).toMatchObject({ body: { id: 'x' }, fence: 'fen_1', etag: '"e"', propagation: 'complete' });
    expect(server.seen).toEqual([
      expect.objectContaining({
        method: 'PATCH',
        url: '/v1/clusters/a%2Fb?wait=regions',
        body: '{"name":"n"}',
        headers: expect.objectContaining({ authorization: 'Bearer spa_told_to_nobody', 'if-match': '"old"' }),
      }),
    ]);
  });

  test('goes through a list page by page, as far as it is used', async () => {
    await using server = await serve(({ url }, response) => {
      const page = Number(new URL(url, 'http://x').searchParams.get('cursor') ?? 0);
      response.end(
        JSON.stringify({ items: [page * 2, page * 2 + 1], nextCursor: page < 2 ? String(page + 1) : null }),
      );
    });
    expect(await Array.fromAsync(client(server.url).items('listTenants', { query: { limit: 2 } }))).toEqual([
      0, 1, 2, 3, 4, 5,
    ]);
    expect(server.seen.map(({ url }) => url)).toEqual([
      '/v1/tenants?limit=2',
      '/v1/tenants?limit=2&cursor=1',
      '/v1/tenants?limit=2&cursor=2',
    ]);
    for await (const _ of client(server.url).items('listTenants')) break;
    expect(server.seen).toHaveLength(4);
  });

  test('takes what gives no list for no hub', async () => {
    await using server = await serve((_, response) => response.end('{"path":"/v1/tenants"}'));
    await expect(client(server.url).items('listTenants').next()).rejects.toThrow('is no hub');
  });

  test('tells a refusal from no answer, and no key in either', async () => {
    await using server = await serve(({ url }, response) => {
      if (url.startsWith('/v1/fences')) return; // hangs
      if (url === '/v1/freeze') return response.end('<html>');
      if (url === '/v1/regions') return response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
      const problem = {
        code: 'NAME_TAKEN',
        detail: 'taken',
        errors: [{ pointer: '/name', detail: 'is taken' }],
      };
      response
        .writeHead(409, { 'retry-after': '7', 'spokecast-request-id': 'r' })
        .end(JSON.stringify(problem));
    });
    const failure = async (asked: Promise<unknown>) => {
      const error = await asked.then(
        () => undefined,
        (reason: Error) => reason,
      );
      expect(`${error} ${error?.cause}`).not.toContain('told_to_nobody');
      return error;
    };
    const refused = await failure(client(server.url).call('createTenant', { body: { name: 'n' } }));
    expect(refused).toBeInstanceOf(HubProblem);
    expect(refused).toMatchObject({
      ...{ status: 409, code: 'NAME_TAKEN', retryAfterSeconds: 7, requestId: 'r' },
      errors: [{ pointer: '/name', detail: 'is taken' }],
    });
    const { url } = server;
    expect(await failure(client(url).call('getFreeze'))).toBeInstanceOf(HubUnreachable); // not JSON
    expect(await failure(client(url, 50).call('getFence', { path: { id: 'x' } }))).toBeInstanceOf(
      HubUnreachable,
    );
    expect(await failure(client('http://127.0.0.1:9').call('getFreeze'))).toBeInstanceOf(HubUnreachable);
    await failure(client(url).call('listRegions')); // the key is not taken elsewhere
    expect(server.seen.filter((one) => one.url === '/v1/regions')).toHaveLength(1);
  });
});

test('paths and queries are escaped, and what lacks is named', () => {
  expect(filled('/v1/contexts/{kind}/{key}', { kind: 'a b', key: '../x' })).toBe('/v1/contexts/a%20b/..%2Fx');
  expect(() => filled('/v1/tenants/{id}', {})).toThrow('needs id');
  expect(() => filled('/v1/regions/{id}/freeze', { id: '..' })).toThrow('id cannot be ..');
  expect(queryText({ name: 'a&b', limit: undefined, all: false })).toBe('?name=a%26b&all=false');
});

test('the generated types are those of the schemas that answers are made by', () => {
  expectTypeOf<generated.Tenant>().toEqualTypeOf<z.infer<typeof Tenant>>();
  expectTypeOf<generated.Sweep>().toEqualTypeOf<z.infer<typeof Sweep>>();
  expectTypeOf<generated.Freeze>().toEqualTypeOf<z.infer<typeof Freeze>>();
  expectTypeOf<generated.Region['publishing']>().toEqualTypeOf<z.infer<typeof Region>['publishing']>();
  expectTypeOf<generated.AgentKey>().toEqualTypeOf<z.infer<typeof AgentKey>>();
  expectTypeOf<Omit<generated.Cluster, 'placements' | 'settings'>>().branded.toEqualTypeOf<
    Omit<z.input<typeof Cluster>, 'placements' | 'settings'>
  >();
});

describe('types of schemas', () => {
  test.each([
    [{ type: 'string' }, 'string'],
    [{ type: ['integer', 'null'] }, 'number | null'],
    [{ enum: ['a', 1, null] }, '"a" | 1 | null'],
    [{ type: 'array', items: { $ref: '#/components/schemas/A' } }, 'A[]'],
    [{ type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'null' }] } }, '(string | null)[]'],
    [{ type: 'object', additionalProperties: { type: 'boolean' } }, 'Record<string, boolean>'],
    [{ type: 'object', properties: { a: { type: 'string' } } }, '{\n  a?: string;\n}'],
    [{ type: 'object', properties: { 'a-b': { type: 'null' } }, required: ['a-b'] }, "{\n  'a-b': null;\n}"],
  ])('%j', (schema, text) => {
    expect(typeOf(schema, '')).toBe(text);
  });

  test('what has no type is refused, not guessed', () => {
    expect(() => typeOf({}, '')).toThrow('no type');
    expect(() => typeOf({ type: 'tuple' }, '')).toThrow('no type');
  });
});

describe('a patient transport', () => {
  const limited = { 'retry-after': '20', ratelimit: '"application-key";r=0;t=20' };
  const refusal = JSON.stringify({ status: 429, code: 'TOO_MANY_REQUESTS', detail: 'no request left' });
  /** Answers that many times with a refusal, then well; with the times that were slept. */
  function limitedTimes(times: number, headers: Record<string, string> = limited) {
    const slept: number[] = [];
    let asked = 0;
    const transport: Transport = async () => {
      const isRefused = asked++ < times;
      return isRefused
        ? new Response(refusal, { status: 429, headers })
        : new Response(JSON.stringify({ id: 'ten_1' }));
    };
    const clock = new VirtualClock();
    const sleep = async (ms: number) => void slept.push(ms);
    const hub = new HubApi({
      ...{ url: 'http://hub.test', applicationKey: 'spa_x' },
      transport: patient(transport, Object.assign(clock, { sleep })),
    });
    return { hub, slept, asked: () => asked };
  }

  test('waits as long as the hub says, as often as it does', async () => {
    const { hub, slept } = limitedTimes(2);
    expect(await hub.call('getTenant', { path: { id: 'ten_1' } })).toEqual({ id: 'ten_1' });
    expect(slept).toEqual([20_000, 20_000]);
  });

  test('does not wait where logins failed', async () => {
    const { hub, slept } = limitedTimes(1, { 'retry-after': '60' });
    await expect(hub.call('getTenant', { path: { id: 'ten_1' } })).rejects.toMatchObject({ status: 429 });
    expect(slept).toEqual([]);
  });

  test('tells the refusal where the request has no time left', async () => {
    const { hub, asked } = limitedTimes(9);
    const signal = AbortSignal.abort();
    const call = hub.call('getTenant', { path: { id: 'ten_1' }, signal });
    await expect(call).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS', retryAfterSeconds: 20 });
    expect(asked()).toBe(1);
  });
});
