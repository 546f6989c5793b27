import { describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../contexts/base/options.ts';
import { neverUpstream } from '../../contexts/upstream-networks.ts';
import { readConfig } from '../../spoke/config.ts';

function mistakes(environment: Record<string, string>): readonly string[] {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  return [];
}

describe('the configuration of a gateway', () => {
  test('needs a region and where its store is, and nothing else', () => {
    const store = { SPOKECAST_STORE_ENDPOINT: 'http://127.0.0.1:8000' };
    expect(mistakes({ SPOKECAST_REGION: 'eu-west-1' })).toEqual([
      expect.stringContaining('SPOKECAST_STORE_ENDPOINT or SPOKECAST_STORE_AWS_REGION'),
    ]);
    for (const name of ['SPOKECAST_STORE_AWS_REGION', 'AWS_REGION'])
      expect(mistakes({ SPOKECAST_REGION: 'eu-west-1', [name]: 'eu-west-1' })).toEqual([]);
    const config = readConfig({ SPOKECAST_REGION: 'eu-west-1', ...store });
    expect(config).toMatchObject({
      environment: 'dev',
      port: 4101,
      storeTable: 'spokecast-dev-eu-west-1',
      feedPollMs: 50,
    });
    const named = { SPOKECAST_REGION: 'eu-west-1', SPOKECAST_STORE_TABLE: 'mine' };
    expect(readConfig({ ...named, ...store }).storeTable).toBe('mine');
  });

  test('names all mistakes at once', () => {
    const problems = mistakes({
      SPOKECAST_PORT: 'x',
      SPOKECAST_STORE_ENDPOINT: 'ftp://x',
      SPOKECAST_FEED_POL_MS: '5',
    });
    expect(problems.map((problem) => problem.split(/[= ]/)[0])).toEqual([
      'SPOKECAST_REGION',
      'SPOKECAST_PORT',
      'SPOKECAST_STORE_ENDPOINT',
      'SPOKECAST_FEED_POL_MS',
    ]);
  });

  test('windows that contradict each other are a mistake', () => {
    const windows = {
      SPOKECAST_CACHE_FRESH_MS: '7000',
      SPOKECAST_CACHE_REFRESH_MS: '6000',
      SPOKECAST_CACHE_STALE_MS: '5000',
    };
    expect(mistakes({ SPOKECAST_REGION: 'eu-west-1', AWS_REGION: 'eu-west-1', ...windows })).toEqual([
      'SPOKECAST_CACHE_FRESH_MS=7000 must not be above SPOKECAST_CACHE_REFRESH_MS=6000',
      'SPOKECAST_CACHE_REFRESH_MS=6000 must not be above SPOKECAST_CACHE_STALE_MS=5000',
    ]);
  });

  test('upstream networks are networks, with no bits beyond their length, or none', () => {
    const of = (text: string) =>
      readConfig({ ...enough, SPOKECAST_UPSTREAM_DENIED_NETWORKS: text }).upstreamDeniedNetworks;
    expect(of('10.0.0.0/8, 192.0.2.1,FD00::/8')).toEqual(['10.0.0.0/8', '192.0.2.1/32', 'fd00::/8']);
    expect(of('none')).toEqual([]);
    expect(readConfig(enough)).toMatchObject({
      upstreamDeniedNetworks: neverUpstream,
      upstreamLoopback: 'denied',
    });
    for (const wrong of ['10.0.0.1/8', 'example.com', '::ffff:10.0.0.0/104'])
      expect(mistakes({ ...enough, SPOKECAST_UPSTREAM_DENIED_NETWORKS: wrong })).toEqual([
        expect.stringContaining(`"${wrong}" must`),
      ]);
  });

  const enough = { SPOKECAST_REGION: 'eu-west-1', AWS_REGION: 'eu-west-1' };

  test.each([
    ['10.0.0.0/8, fd00::/8,192.0.2.1', ['10.0.0.0/8', 'fd00::/8', '192.0.2.1/32']],
    ['::1', ['::1/128']],
    ['none', []],
  ])('trusted proxies %s', (text, expected) => {
    const { trustedProxies } = readConfig({ ...enough, SPOKECAST_TRUSTED_PROXIES: text });
    expect(trustedProxies.map(({ address, prefix }) => `${address}/${prefix}`)).toEqual(expected);
  });

  test.each(['10.0.0.0/33', 'proxy.example', '10.0.0.0/x', '10.0.0.0/', ',', '::/129', '10.0.0.0/-1'])(
    'trusted proxies may not be %s',
    (text) => {
      const [problem] = mistakes({ ...enough, SPOKECAST_TRUSTED_PROXIES: text });
      expect(problem).toContain('is no network such as 10.0.0.0/8');
    },
  );

  test('a certificate and its key go together, and certificates of clients need them', () => {
    const [cert, ca] = [{ SPOKECAST_TLS_CERT_FILE: '/c' }, { SPOKECAST_TLS_CLIENT_CA_FILE: '/a' }];
    expect(mistakes({ ...enough, ...cert })).toEqual([expect.stringContaining('go together')]);
    expect(mistakes({ ...enough, SPOKECAST_TLS_KEY_FILE: '/k' })).toEqual([
      expect.stringContaining('go together'),
    ]);
    expect(mistakes({ ...enough, ...ca })).toEqual([
      expect.stringContaining('needs SPOKECAST_TLS_CERT_FILE'),
    ]);
    expect(mistakes({ ...enough, ...cert, ...ca, SPOKECAST_TLS_KEY_FILE: '/k' })).toEqual([]);
  });
});
