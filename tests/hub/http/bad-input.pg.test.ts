import { connect } from 'node:net';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startHub, type TestHub } from '../support/hub.ts';
import * as make from '../support/things.ts';

let hub: TestHub;
let sql: postgres.Sql;
let tenantId: string;
beforeAll(async () => {
  hub = await startHub();
  sql = postgres(hub.databaseUrl, { max: 1 });
  await make.region(hub.owner, 'north');
  tenantId = await make.tenant(hub.owner, 'Acme');
  await make.cluster(hub.owner, tenantId, ['north'], { name: 'taken' });
});
afterAll(async () => {
  await sql.end();
  await hub[Symbol.asyncDispose]();
});

/** How much there is of everything: bad input must not change it. */
async function counts(): Promise<unknown> {
  return sql`select (select count(*) from tenants) tenants, (select count(*) from clusters) clusters,
    (select count(*) from placements) placements, (select count(*) from audit_log) audit,
    (select max(revision) from heads) revision, (select count(*) from idempotency_keys) kept`;
}

const good = () => ({
  tenantId,
  name: 'fine',
  upstreamUrl: 'http://up.example',
  placements: [{ region: 'north' }],
});
const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

describe('bad input gets a clear problem document and changes nothing', () => {
  const bodies: [what: string, change: object, pointers: string[], says: string][] = [
    ['a wrong type', { name: 7 }, ['/name'], 'must be a string'],
    ['an empty name', { name: '   ' }, ['/name'], 'empty'],
    ['a long name', { name: 'x'.repeat(121) }, ['/name'], '120'],
    ['a name with a newline', { name: 'a\nb' }, ['/name'], 'control'],
    ['a name that reads backwards', { name: 'a\u202eb' }, ['/name'], 'control'],
    ['a NUL in a name', { name: 'a\0b' }, ['/name'], 'NUL'],
    ['half a surrogate pair', { name: 'a\ud800' }, ['/name'], 'surrogate'],
    ['a missing field', { upstreamUrl: undefined }, ['/upstreamUrl'], 'required'],
    ['unknown fields, all named', { color: 'red', 'a/b': 1 }, ['/a~1b', '/color'], 'not a field'],
    ['a field that cannot be set', { id: 'vci_00000000000000000000000000' }, ['/id'], 'not a field'],
    [
      'an unknown field deep inside',
      { placements: [{ region: 'north', overrides: { name: 'x' } }] },
      ['/placements/0/overrides/name'],
      'not a field',
    ],
    ['a malformed tenant', { tenantId: 'ten_1' }, ['/tenantId'], 'id like'],
    ['a cluster placed nowhere', { placements: [] }, ['/placements'], 'at least one region'],
    ['no placements at all', { placements: undefined }, ['/placements'], 'required'],
    [
      'a region named twice',
      { placements: [{ region: 'north' }, { region: 'north' }] },
      ['/placements/1/region'],
      'second time',
    ],
    ['a malformed region', { placements: [{ region: 'North!' }] }, ['/placements/0/region'], 'a-z'],
    ['an upstream that is not http(s)', { upstreamUrl: 'ftp://up.example' }, ['/upstreamUrl'], 'http://'],
    ['a script for an upstream', { upstreamUrl: 'javascript:alert(1)' }, ['/upstreamUrl'], 'http://'],
    ['no URL for an upstream', { upstreamUrl: 'up.example' }, ['/upstreamUrl'], 'http://'],
    [
      'an upstream with credentials',
      { upstreamUrl: 'http://me:secret@up.example' },
      ['/upstreamUrl'],
      'credentials',
    ],
    ['an upstream with a query', { upstreamUrl: 'http://up.example/?a=1' }, ['/upstreamUrl'], 'query'],
    [
      'an overridden upstream that is not http(s)',
      { placements: [{ region: 'north', overrides: { upstreamUrl: 'x' } }] },
      ['/placements/0/overrides/upstreamUrl'],
      'http://',
    ],
    ['no upstreams', { upstreams: [] }, ['/upstreams'], 'at least one'],
    [
      'upstreams that are out of bounds',
      {
        upstreams: [
          { url: 'x', weight: 0 },
          { url: 'http://u.example', priority: -1 },
        ],
      },
      ['/upstreams/0/url', '/upstreams/0/weight', '/upstreams/1/priority'],
      '',
    ],
    [
      'an upstream named twice',
      { upstreams: [{ url: 'http://u.example' }, { url: 'http://u.example' }] },
      ['/upstreams/1/url'],
      'second time',
    ],
    ['settings that are no object', { settings: [1] }, ['/settings'], 'must be an object'],
    ['settings that are too large', { settings: { a: 'x'.repeat(40_000) } }, ['/settings'], '32768'],
    ['settings nested too deep', { settings: { a: deep(60) } }, [''], 'nested'],
    [
      'several mistakes, all of them',
      { name: '', upstreamUrl: 'x', extra: 1, placements: [] },
      ['/extra', '/name', '/placements', '/upstreamUrl'],
      '',
    ],
  ];
  test.each(bodies)('%s', async (_what, change, pointers, says) => {
    const before = await counts();
    const answer = await hub.owner.post(
      '/v1/clusters',
      { ...good(), ...change },
      { headers: { 'idempotency-key': 'bad' } },
    );
    expect(answer.body).toMatchObject({ status: 400, code: 'VALIDATION_FAILED' });
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.body.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual(pointers);
    expect(JSON.stringify(answer.body.errors)).toContain(says);
    expect(await counts()).toEqual(before);
  });

  test('an unknown tenant, a taken name, an unknown region', async () => {
    const before = await counts();
    const absent = { ...good(), tenantId: 'ten_00000000000000000000000000' };
    expect((await hub.owner.post('/v1/clusters', absent)).body).toMatchObject({
      status: 404,
      errors: [{ pointer: '/tenantId' }],
    });
    expect((await hub.owner.post('/v1/clusters', { ...good(), name: ' taken ' })).body).toMatchObject({
      status: 409,
      code: 'NAME_TAKEN',
    });
    expect(
      (await hub.owner.post('/v1/clusters', { ...good(), placements: [{ region: 'moon' }] })).body.detail,
    ).toContain('moon');
    expect((await hub.owner.post('/v1/tenants', { name: 'Acme' })).body).toMatchObject({
      status: 409,
      code: 'NAME_TAKEN',
    });
    expect(await counts()).toEqual(before);
  });

  const texts: [text: string, line: number, column: number][] = [
    ['', 0, 0],
    ['{"name": "x",}', 1, 14],
    ['{\n  "name": x\n}', 2, 11],
    ['{"name": "x"', 1, 13],
    ['{"name": "x"}}', 1, 14],
    ["{'name': 1}", 1, 2],
    ['{"a" 1}', 1, 6],
    ['[1, 2', 1, 6],
    ['{"a": "b\nc"}', 1, 7],
    ['nul', 1, 1],
    ['{"a": 01}', 1, 8],
    ['[1 2]', 1, 4],
    ['[}', 1, 2],
  ];
  test.each(texts)('malformed JSON, with the position: %j', async (text, line, column) => {
    const answer = await hub.owner.post('/v1/tenants', undefined, { text });
    expect(answer.status).toBe(400);
    if (line > 0)
      expect(answer.body).toMatchObject({
        code: 'MALFORMED_JSON',
        detail: `The mistake is in line ${line}, column ${column}.`,
      });
    else expect(answer.body).toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  test('JSON that is no object, and prototypes', async () => {
    for (const text of ['7', '"x"', 'null', '[]', 'true'])
      expect((await hub.owner.post('/v1/tenants', undefined, { text })).status).toBe(400);
    const polluted = await hub.owner.post('/v1/tenants', undefined, {
      text: '{"name":"proto","__proto__":{"status":"suspended"}}',
    });
    expect(polluted.status).toBe(400);
    expect((await hub.owner.get('/v1/tenants?name=proto')).body.items).toEqual([]);
  });

  test('numbers beyond a double, bytes that are no UTF-8', async () => {
    const text = JSON.stringify({ ...good(), settings: { big: 0 } }).replace('"big":0', '"big":1e999');
    expect((await hub.owner.post('/v1/clusters', undefined, { text })).body.errors).toMatchObject([
      { pointer: '/settings/big' },
    ]);
    const body = Buffer.from([0x7b, 0xff, 0x7d]);
    const headers = { authorization: `Bearer ${hub.owner.secret}`, 'content-type': 'application/json' };
    expect((await fetch(`${hub.url}/v1/tenants`, { method: 'POST', headers, body })).status).toBe(400);
  });

  test('other content types and encodings', async () => {
    const others: Record<string, string>[] = [
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/jsonp' },
      { 'content-encoding': 'gzip' },
    ];
    for (const headers of others) {
      const answer = await hub.owner.post('/v1/tenants', { name: 'typed' }, { headers });
      expect(answer.body).toMatchObject({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
    }
    const typed = await hub.owner.post(
      '/v1/tenants',
      { name: 'typed' },
      { headers: { 'content-type': 'application/json; charset=utf-8' } },
    );
    expect(typed.status).toBe(201);
    const patch = { headers: { 'content-type': 'application/merge-patch+json' } };
    expect((await hub.owner.patch(`/v1/tenants/${typed.body.id}`, { name: 'typed 2' }, patch)).status).toBe(
      200,
    );
  });

  test('bodies where there should be none', async () => {
    expect(
      (await hub.owner.send('DELETE', `/v1/tenants/${tenantId}`, { body: { force: true } })).status,
    ).toBe(400);
    expect((await hub.owner.get(`/v1/tenants/${tenantId}`)).status).toBe(200);
  });

  test('paths that are not there, methods that paths do not know', async () => {
    expect((await hub.owner.get('/v1/planets')).body).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    expect((await hub.owner.get('/v1/tenants/ten_x')).status).toBe(404);
    expect((await hub.owner.get('/v1/tenants/%00')).status).toBe(404);
    expect((await hub.owner.get('/v1/tenants/%E0%A4%A')).status).toBe(404);
    const wrong = await hub.owner.send('PUT', '/v1/tenants');
    expect(wrong.body).toMatchObject({ status: 405, code: 'METHOD_NOT_ALLOWED' });
    expect(wrong.headers.get('allow')).toBe('GET, POST');
    expect((await hub.owner.send('DELETE', '/healthz')).headers.get('allow')).toBe('GET');
  });
});

describe('large bodies', () => {
  test('are refused before they are read where their length is announced', async () => {
    const head = `POST /v1/tenants HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer ${hub.owner.secret}\r\ncontent-type: application/json\r\n`;
    const answer = await exchange(`${head}content-length: 10485760\r\n\r\n{"name":"`);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain('BODY_TOO_LARGE');
  });

  test('are refused as soon as they pass the limit where it is not', async () => {
    const head = `POST /v1/tenants HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer ${hub.owner.secret}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`;
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
    expect(await exchange(head + chunk.repeat(5))).toMatch(/^HTTP\/1\.1 413 /); // and no end of it ever comes
  });

  test('of 10 MB, really sent, get the answer too, and the hub goes on', async () => {
    const body = Buffer.alloc(10 * 1024 * 1024, 'x');
    const headers = { authorization: `Bearer ${hub.owner.secret}`, 'content-type': 'application/json' };
    for (let i = 0; i < 20; i++) {
      const answer = await fetch(`${hub.url}/v1/tenants`, { method: 'POST', headers, body });
      expect(await answer.json()).toMatchObject({ status: 413, code: 'BODY_TOO_LARGE' });
    }
    expect((await hub.owner.get('/v1/tenants')).status).toBe(200);
  });

  test('that never end are not read for long', async () => {
    const answered = await new Promise<string>((resolve) => {
      const socket = connect(Number(new URL(hub.url).port), '127.0.0.1');
      const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
      let read = '';
      const pour = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', pour);
      socket.on('data', (data) => {
        read += data;
      });
      socket.on('error', () => {}); // that it is cut off is the point
      socket.on('close', () => resolve(read));
      socket.write(
        `POST /v1/tenants HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer ${hub.owner.secret}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
      );
      pour();
    });
    expect(answered).toMatch(/^HTTP\/1\.1 413 /);
  });

  /** Sends the text as it is; resolves with what came back once the answer is whole or the connection ends. */
  function exchange(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(Number(new URL(hub.url).port), '127.0.0.1', () => socket.write(text));
      let read = '';
      socket.setEncoding('utf8');
      socket.on('data', (data) => {
        read += data;
        if (/\r\n\r\n[\s\S]*\}/.test(read)) socket.destroy();
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(read));
    });
  }
});
