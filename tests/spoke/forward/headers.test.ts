import { describe, expect, test } from 'vitest';
import { readCredential } from '../../../spoke/credentials.ts';
import { requestHeaders, responseHeaders, trailers } from '../../../spoke/forward/headers.ts';
import { type Hop, HopReader } from '../../../spoke/forward/hop.ts';
import { readTarget, upstreamPath } from '../../../spoke/forward/target.ts';
import { newDemo } from '../support/contexts.ts';

const demo = newDemo();
const key = { id: demo.keyId, tenantId: demo.tenantId, clusterId: demo.clusterId } as Parameters<
  typeof requestHeaders
>[1];
const hop = {
  remoteAddress: '10.0.0.9',
  trusted: true,
  host: 'gw.example',
  protocol: 'http',
  httpVersion: '1.1',
} as const;

function sent(...raw: string[]): [string, string][] {
  return sentFrom({}, ...raw);
}

function sentFrom(peer: Partial<Hop>, ...raw: string[]): [string, string][] {
  const headers = requestHeaders(raw, key, { ...hop, ...peer });
  return Array.from({ length: headers.length / 2 }, (_, i) => [headers[2 * i]!, headers[2 * i + 1]!]);
}

describe('what the upstream is sent', () => {
  test("is the client's headers, and who it is", () => {
    const headers = sent('Accept', 'a', 'accept', 'b', 'Content-Encoding', 'gzip', 'Host', 'gw.example');
    expect(headers).toEqual([
      ['Accept', 'a'],
      ['accept', 'b'],
      ['Content-Encoding', 'gzip'],
      ['x-forwarded-for', '10.0.0.9'],
      ['x-forwarded-host', 'gw.example'],
      ['x-forwarded-proto', 'http'],
      ['via', '1.1 spokecast'],
      ['spokecast-tenant-id', demo.tenantId],
      ['spokecast-cluster-id', demo.clusterId],
      ['spokecast-key-id', demo.keyId],
    ]);
  });

  test("is not the hop's, named by Connection or not", () => {
    const names = sent(
      ...[
        'Connection',
        'close, X-Mine',
        'connection',
        'x-other',
        'X-Mine',
        '1',
        'X-Other',
        '2',
        'Keep-Alive',
        '5',
      ],
      ...[
        'TE',
        'trailers',
        'Trailer',
        'x',
        'Transfer-Encoding',
        'chunked',
        'Upgrade',
        'h2c',
        'Expect',
        '100-continue',
      ],
      ...['Proxy-Authorization', 'x', 'Proxy-Connection', 'x'],
    ).map(([name]) => name.toLowerCase());
    expect(names.filter((name) => !/^(x-forwarded|via|spokecast)/.test(name))).toEqual([]);
  });

  test('Connection cannot make a hop drop what frames the message', () => {
    expect(sent('Connection', 'content-length', 'Content-Length', '3')).toContainEqual([
      'Content-Length',
      '3',
    ]);
  });

  test('[law 10] carries no agent key and no spoofed identity', () => {
    const basic = Buffer.from(`me:${demo.secret}`).toString('base64');
    const headers = sent(
      ...[
        'Authorization',
        `Bearer ${demo.secret}`,
        'Spokecast-Agent-Key',
        demo.secret,
        'SPOKECAST-Tenant-Id',
        'ten_evil',
      ],
      ...['spokecast-anything', 'x', 'authorization', `Basic ${basic}`],
    );
    expect(JSON.stringify(headers)).not.toContain(demo.secret);
    expect(JSON.stringify(headers)).not.toContain(basic);
    expect(headers.filter(([name]) => name.toLowerCase() === 'spokecast-tenant-id')).toEqual([
      ['spokecast-tenant-id', demo.tenantId],
    ]);
    expect(headers.filter(([name]) => name === 'spokecast-anything')).toEqual([]);
  });

  test('[law 10] carries no agent key, however loosely it was written', () => {
    for (const pair of [`me: ${demo.secret}`, `me:${demo.secret}\n`, `:${demo.secret} `]) {
      const basic = Buffer.from(pair).toString('base64');
      for (const value of [`Basic ${basic}`, `basic   ${basic} `]) {
        expect(readCredential(value, undefined), pair).toMatchObject({ state: 'shown' });
        expect(JSON.stringify(sent('Authorization', value)), pair).not.toContain(basic);
      }
    }
  });

  test('[law 10] carries no imported key that stands beside itself, and what else stands there', () => {
    const secret = 'made-elsewhere-0123456789';
    const basic = Buffer.from(`me:${secret}`).toString('base64');
    for (const value of [`Bearer ${secret}`, `bearer  ${secret} `, `Basic ${basic}`]) {
      const headers = sent(
        'Authorization',
        value,
        'authorization',
        'Bearer other',
        'Spokecast-Agent-Key',
        secret,
      );
      expect(JSON.stringify(headers), value).not.toContain(value.trim().split(/\s+/).at(-1));
      expect(headers).toContainEqual(['authorization', 'Bearer other']);
    }
  });

  test('drops spoofed identity that is written with underscores', () => {
    const headers = sent('spokecast_tenant_id', 'ten_evil', 'Spokecast_Key-Id', 'aki_evil');
    expect(JSON.stringify(headers)).not.toContain('evil');
  });

  test("hands on an authorization that is the upstream's own", () => {
    expect(sent('Authorization', 'Bearer of-the-upstream')).toContainEqual([
      'Authorization',
      'Bearer of-the-upstream',
    ]);
  });

  test('appends to what trusted proxies said; host and protocol are those of the first hop', () => {
    const said = ['X-Forwarded-For', '1.1.1.1', 'x-forwarded-for', '2.2.2.2', 'X-Forwarded-Proto', 'https'];
    const headers = sent(
      ...said,
      'x-forwarded-host',
      'agents.example',
      'X-Real-Ip',
      '1.1.1.1',
      'Via',
      '2 edge',
    );
    expect(headers).toContainEqual(['x-forwarded-for', '1.1.1.1, 2.2.2.2, 10.0.0.9']);
    expect(headers).toContainEqual(['x-forwarded-proto', 'https']);
    expect(headers).toContainEqual(['x-forwarded-host', 'agents.example']);
    expect(headers).toContainEqual(['X-Real-Ip', '1.1.1.1']);
    expect(headers).toContainEqual(['via', '2 edge, 1.1 spokecast']);
  });

  test('hands nothing on of what anybody else says of where a request came from', () => {
    const names = [
      'x-forwarded-for',
      'X-Forwarded-Host',
      'x-forwarded-proto',
      'X-Forwarded-Prefix',
      'Forwarded',
    ];
    const all = [...names, 'x_forwarded_for', 'x-real-ip', 'X_Real-Ip'];
    const headers = sentFrom({ trusted: false }, ...all.flatMap((name) => [name, 'evil']), 'Via', '2 edge');
    expect(JSON.stringify(headers)).not.toContain('evil');
    expect(headers).toContainEqual(['x-forwarded-for', '10.0.0.9']);
    expect(headers).toContainEqual(['x-forwarded-host', 'gw.example']);
    expect(headers).toContainEqual(['x-forwarded-proto', 'http']);
    expect(headers).toContainEqual(['via', '2 edge, 1.1 spokecast']);
  });

  test('adds this hop to Forwarded where a trusted proxy sent one (RFC 7239)', () => {
    expect(sent('Forwarded', 'for=1.1.1.1;proto=https')).toContainEqual([
      'forwarded',
      'for=1.1.1.1;proto=https, for=10.0.0.9;host="gw.example";proto=http',
    ]);
    const six = sentFrom({ remoteAddress: '2001:db8::9', host: undefined }, 'forwarded', 'for=_x');
    expect(six).toContainEqual(['forwarded', 'for=_x, for="[2001:db8::9]";proto=http']);
    expect(sent('accept', 'x').map(([name]) => name)).not.toContain('forwarded');
  });

  test('carries a trace on unchanged, whatever is in it', () => {
    const trace = [
      ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
      ['tracestate', 'rojo=00f067aa0ba902b7'],
      ['TraceState', 'congo=t61rcWkgMzE'],
    ];
    expect(sentFrom({ trusted: false }, ...trace.flat()).slice(0, 3)).toEqual(trace);
    expect(sent('traceparent', 'no trace at all')).toContainEqual(['traceparent', 'no trace at all']);
  });
});

describe('a hop', () => {
  const reader = new HopReader([
    { address: '10.0.0.0', prefix: 8, family: 'ipv4' },
    { address: 'fd00::', prefix: 8, family: 'ipv6' },
  ]);
  const from = (remoteAddress: string | undefined, encrypted = false) =>
    reader.read({ socket: { remoteAddress, encrypted }, headers: { host: 'h' }, httpVersion: '1.1' });

  test.each([
    ['10.1.2.3', true],
    ['::ffff:10.1.2.3', true],
    ['11.1.2.3', false],
    ['::ffff:11.1.2.3', false],
    ['fd12::1', true],
    ['fe80::1', false],
    [undefined, false],
  ])('from %s is trusted: %s', (address, trusted) => expect(from(address).trusted).toBe(trusted));

  test('shows IPv4 as such, and says whether it was TLS', () => {
    const seen = from('::ffff:10.1.2.3', true);
    expect([seen.remoteAddress, seen.protocol, from('10.1.2.3').protocol]).toEqual([
      '10.1.2.3',
      'https',
      'http',
    ]);
  });
});

test('trailers carry no identity, no credential and nothing that frames a message', () => {
  const raw = [
    'X-Checksum',
    'abc',
    'Content-Length',
    '5',
    'spokecast-tenant-id',
    'ten_evil',
    'Authorization',
    'x',
  ];
  expect(trailers([...raw, 'transfer-encoding', 'chunked', 'x-forwarded-for', '1.1.1.1'])).toEqual([
    ['X-Checksum', 'abc'],
  ]);
});

test("what the client is sent is the upstream's headers without the hop's", () => {
  const raw = [
    'Content-Encoding',
    'gzip',
    'Set-Cookie',
    'a',
    'Set-Cookie',
    'b',
    'Connection',
    'x-hop',
    'X-Hop',
    '1',
    'Transfer-Encoding',
    'chunked',
  ];
  expect(responseHeaders(raw, true)).toEqual([
    'Content-Encoding',
    'gzip',
    'Set-Cookie',
    'a',
    'Set-Cookie',
    'b',
  ]);
});

/** RFC 9110 7.6.1 and 11.7, RFC 9113 8.2.2: nobody has to name these in `Connection`. */
describe.each([
  ...['Connection', 'Proxy-Connection', 'Keep-Alive', 'TE', 'Transfer-Encoding', 'Upgrade', 'HTTP2-Settings'],
  ...['Proxy-Authenticate', 'Proxy-Authorization', 'Proxy-Authentication-Info'],
])('%s, which Connection does not name', (name) => {
  const spellings = [name, name.toLowerCase(), name.toUpperCase()];

  test.each(spellings)('ends here as %s, whichever way it goes', (spelling) => {
    expect(sent(spelling, 'close', 'X-Own', 'fine').filter(([sentName]) => sentName !== 'X-Own')).toEqual(
      sent(),
    );
    expect(responseHeaders([spelling, 'close', 'X-Own', 'fine'], true)).toEqual(['X-Own', 'fine']);
  });
});

test.each(['Expect', 'expect', 'Trailer', 'TRAILER', 'HOST'])('%s goes to no upstream', (name) => {
  expect(sent(name, 'x')).toEqual(sent());
});

test.each(['Trailer', 'trailer'])('%s announces what only a chunked answer can have', (name) => {
  expect(responseHeaders([name, 'x'], true)).toEqual([name, 'x']);
  expect(responseHeaders([name, 'x'], false)).toEqual([]);
});

test("an upstream cannot put words into the gateway's mouth", () => {
  const raw = ['Spokecast-Tenant-Id', 'ten_evil', 'spokecast_key_id', 'aki_evil', 'X-Own', 'fine'];
  expect(responseHeaders(raw, true)).toEqual(['X-Own', 'fine']);
});

describe('the target', () => {
  test.each([
    ['/v1/clusters/vci_1/a/b?x=1&y=%2F', 'vci_1', '/a/b?x=1&y=%2F'],
    ['/v1/clusters/vci_1', 'vci_1', ''],
    ['/v1/clusters/vci_1/', 'vci_1', '/'],
    ['/v1/clusters/vci_1?q', 'vci_1', '?q'],
    ['/v1/clusters/vci_1//double/%20', 'vci_1', '//double/%20'],
    ['/v1/clusters/vci_1/a..b/...', 'vci_1', '/a..b/...'],
    ['/v1/clusters/vci_1/x?to=/../y', 'vci_1', '/x?to=/../y'],
  ])('%s', (requestTarget, clusterId, rest) => {
    expect(readTarget(requestTarget)).toEqual({ state: 'target', clusterId, rest });
  });

  test.each([
    '/v1/clusters/vci_1/../vci_2',
    '/v1/clusters/vci_1/..',
    '/v1/clusters/vci_1/%2e%2E/x',
    '/v1/clusters/vci_1/.%2e',
    '/v1/clusters/vci_1/./x',
    '/v1/clusters/vci_1/..%2fx',
    '/v1/clusters/vci_1\\..\\x',
    '/v1/clusters/vci_1/é',
    'http://elsewhere/v1/clusters/vci_1/x',
  ])('%s is not forwarded', (requestTarget) => {
    expect(readTarget(requestTarget)).toEqual({ state: 'bad-path' });
  });

  test('is joined below the base path', () => {
    expect(upstreamPath('', '')).toBe('/');
    expect(upstreamPath('', '?q')).toBe('/?q');
    expect(upstreamPath('/base', '')).toBe('/base');
    expect(upstreamPath('/base', '/a?q')).toBe('/base/a?q');
    expect(upstreamPath('/base', '?q')).toBe('/base?q');
  });
});
