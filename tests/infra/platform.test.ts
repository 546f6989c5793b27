import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import * as hubKeys from '../../hub/api/agent-keys/agent-key.ts';
import { upstreams, upstreamUrl } from '../../hub/api/clusters/cluster.ts';
import { allowedRegions, quotasInput } from '../../hub/api/tenants/tenant.ts';
import * as hubFields from '../../hub/http/fields.ts';
import { type PlatformFileError, readDesired } from '../../infra/bin/platform/desired.ts';
import { Interruption } from '../../infra/bin/platform/interruption.ts';
import { inParallel } from '../../infra/bin/platform/pool.ts';
import { platformFile, platformSchema } from '../../infra/bin/platform/schema.ts';
import { readSources } from '../../infra/bin/platform/sources.ts';
import { systemTerminal } from '../../infra/bin/terminal.ts';

const mistakesIn = (...texts: string[]): string[] => {
  try {
    readDesired(texts.map((text, index) => ({ name: `${index + 1}.yaml`, text })));
  } catch (error) {
    return (error as PlatformFileError).mistakes.map(
      ({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`,
    );
  }
  return [];
};

describe('a platform file', () => {
  test('every mistake has its place, all of them at once, in every file', () => {
    const wrong = `spokecast: 1
tenants:
  - name: 7
    colour: red
    clusters:
      - name: orders
        upstreamUrl: ftp://nowhere
        placements: [eu-west-1, {region: EU}, eu-west-1]
        agentKeys:
          - {name: a, permissions: ["no spaces"], expiresAt: tomorrow}
          - {name: b, allowedNetworks: [10.0.0.1/8]}
      - status: off
`;
    expect(mistakesIn(wrong, 'tenants: []\n', 'spokecast: 1\ntenants: [')).toEqual([
      '1.yaml:3:5: tenants[0].name: must be text: put quotes round a number',
      '1.yaml:4:5: tenants[0].colour: is not known here',
      '1.yaml:7:9: tenants[0].clusters[0].upstreamUrl: must be a URL that starts with http:// or https://, without credentials, query or fragment',
      '1.yaml:8:34: tenants[0].clusters[0].placements[1].region: must have 2 to 40 characters of a-z, 0-9 and -',
      '1.yaml:10:37: tenants[0].clusters[0].agentKeys[0].permissions[0]: must have 1 to 64 characters of a-z, A-Z, 0-9 and _ . : * / -',
      '1.yaml:10:51: tenants[0].clusters[0].agentKeys[0].expiresAt: must be a time like 2027-01-31T00:00:00Z',
      '1.yaml:11:41: tenants[0].clusters[0].agentKeys[1].allowedNetworks[0]: must have no bits set beyond its length of 8',
      '1.yaml:12:9: tenants[0].clusters[1].name: is required',
      '1.yaml:12:9: tenants[0].clusters[1].status: must be active or disabled',
      '2.yaml:1:1: spokecast: must be 1, the version of this format',
      expect.stringMatching(/^3\.yaml:2:11: Flow sequence in block collection must be/),
    ]);
  });

  test('the same thing twice is a mistake that names both places; a tenant may have clusters in several files', () => {
    const file = (clusters: string) =>
      `spokecast: 1\ntenants:\n  - name: Acme\n    clusters: [${clusters}]\n`;
    expect(mistakesIn(file('{name: a}'), file('{name: b}'))).toEqual([]);
    expect(mistakesIn(file('{name: a}'), file('{name: a, agentKeys: [{name: k}, {name: k}]}'))).toEqual([
      '2.yaml:4:16: the cluster "a" of "Acme" stands at 1.yaml:4:16 already',
      '2.yaml:4:49: the agent key "k" of "a" stands at 2.yaml:4:38 already',
    ]);
    expect(mistakesIn(file('{name: a, placements: [eu, eu]}'))).toEqual([
      '1.yaml:4:43: the region eu is named a second time',
    ]);
    const status = (one: string) => `spokecast: 1\ntenants: [{name: Acme, status: ${one}}]\n`;
    expect(mistakesIn(status('active'), status('suspended'))).toEqual([
      '2.yaml:2:24: the tenant "Acme" has another `status` at 1.yaml:2:11',
    ]);
  });

  test('bounds of a tenant: what they may be, and that two files say the same', () => {
    const tenants = (fields: string) => `spokecast: 1\ntenants: [{name: Acme, ${fields}}]\n`;
    const right = ['quotas: null, allowedRegions: null', 'quotas: {clusters: 0, regions: null}'];
    expect(right.flatMap((fields) => mistakesIn(tenants(fields)))).toEqual([]);
    expect(
      mistakesIn(
        tenants(
          'quotas: {clusters: -1, keys: 3, agentKeys: many, regions: 1.5}, allowedRegions: [eu, us, eu]',
        ),
        tenants('quotas: 3, allowedRegions: []'),
      ),
    ).toEqual([
      '1.yaml:2:33: tenants[0].quotas.clusters: must be from 0 to 10000000',
      '1.yaml:2:47: tenants[0].quotas.keys: is not known here',
      '1.yaml:2:56: tenants[0].quotas.agentKeys: must be a whole number',
      '1.yaml:2:73: tenants[0].quotas.regions: must be a whole number',
      '1.yaml:2:113: tenants[0].allowedRegions[2]: is named a second time',
      '2.yaml:2:24: tenants[0].quotas: must be a mapping (`name: value` lines)',
      '2.yaml:2:35: tenants[0].allowedRegions: must name at least one region; null is anywhere',
    ]);
    const regions = (list: string) => tenants(`allowedRegions: [${list}]`);
    expect(mistakesIn(regions('eu, us'), regions('us, eu'))).toEqual([]);
    expect(mistakesIn(regions('eu, us'), regions('us'))).toEqual([
      '2.yaml:2:24: the tenant "Acme" has another `allowedRegions` at 1.yaml:2:11',
    ]);
  });

  test('a name twice in one mapping, and aliases that blow up, are refused', () => {
    expect(mistakesIn('spokecast: 1\nspokecast: 1\n')).toEqual([
      expect.stringMatching(/^1\.yaml:2:1: Map keys must be unique/),
    ]);
    const rows = Array.from({ length: 9 }, (_, i) => `  l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(9)}]`);
    const bomb = `spokecast: 1\nx:\n  l0: &l0 [lol]\n${rows.join('\n')}\n`;
    expect(mistakesIn(bomb)).toEqual([expect.stringContaining('Excessive alias count')]);
  });

  test('a field that is not known is told with the one that may be meant', () => {
    const wrong = `spokecast: 1
tenant: []
tenants:
  - name: Acme
    allowed_regions: [eu]
    qoutas: { agentkeys: 3 }
    clusters:
      - { name: a, upsteamURL: http://x.example, placements: [{ region: eu, override: {} }] }
`;
    const meant = mistakesIn(wrong).map((line) =>
      line.match(/(\w+): is not known here; is `(\w+)` meant/)?.slice(1),
    );
    expect(meant).toEqual([
      ['tenant', 'tenants'],
      ['allowed_regions', 'allowedRegions'],
      ['qoutas', 'quotas'],
      ['upsteamURL', 'upstreamUrl'],
      ['override', 'overrides'],
    ]);
  });

  test('what YAML lets through in silence, or ends a program with, is a mistake', () => {
    const deep = (depth: number) => `[{name: c, settings: {a: ${'['.repeat(depth)}${']'.repeat(depth)}}}]`;
    const file = (clusters: string) => `spokecast: 1\ntenants: [{name: A, clusters: ${clusters}}]\n`;
    expect(mistakesIn(file(deep(20_000)))).toEqual([
      expect.stringMatching(/: is nested too deeply to be read$/),
    ]);
    expect(mistakesIn(file('[{name: !env NAME}]'))).toEqual(['1.yaml:2:39: Unresolved tag: !env']);
    expect(mistakesIn('# only words\n', '')).toEqual([
      '1.yaml:1:1: there is nothing in it; a platform file says at least `spokecast: 1`',
    ]);
    expect(mistakesIn('spokecast: 1\n', '')).toEqual([]);
    const many = Array.from({ length: 300 }, () => '{}').join(',');
    expect(() => readDesired([{ name: 'x', text: file(`[${many}]`) }])).toThrow(
      /there are 300 mistakes[\s\S]*clusters\[99\].name: is required\n\.\.\. and 200 more\nNothing was changed$/,
    );
  });

  test('anchors and `<<` are read as everybody means them', () => {
    const shared = `spokecast: 1
tenants:
  - name: A
    clusters:
      - &one { name: a, upstreamUrl: http://x.example, placements: [eu] }
      - { <<: *one, name: b }
`;
    const { tenants } = readDesired([{ name: 'x', text: shared }]);
    expect(tenants[0]!.clusters).toMatchObject([
      { name: 'a' },
      { name: 'b', upstreamUrl: 'http://x.example' },
    ]);
  });

  test('a mistake cannot write to the terminal what is no text', () => {
    const text = `spokecast: 1\n"\\e[2Jx": 1\ntenants: [{name: "a\\e[31m"}]\n`;
    const said = () => readDesired([{ name: 'x', text }]);
    expect(said).toThrow('x:2:1: ?[2Jx: is not known here');
    expect(said).toThrow('name: must not hold control characters');
    expect(said).not.toThrow('\u001b');
  });

  test('the file refuses what the hub would refuse, and nothing else', () => {
    const values: unknown[] = [
      ...['', ' ', 'a', 'a\u0007b', 'a\u202eb', 'x'.repeat(120), 'x'.repeat(121), 7, null, true, {}, []],
      ...[
        'http://x.example',
        'https://x.example:8443/a',
        'HTTP://X.example',
        'ftp://x',
        'http://',
        'http://a b',
      ],
      ...[
        'http://u:p@x',
        'http://x?q',
        'http://x#f',
        'http://169.254.169.254/',
        'http://0.0.0.0',
        'http://[::1]:80',
      ],
      ...['http://[fe80::1]/', 'http://0xa9fea9fe', `http://x/${'y'.repeat(2048)}`],
      ...[
        '2027-01-01T00:00:00Z',
        '2027-01-01',
        '0000-01-01T00:00:00Z',
        '9999-12-31T23:59:59Z',
        '2027-02-30T00:00:00Z',
      ],
      ...[{ a: 1 }, { a: 'x'.repeat(33_000) }, { a: [{ b: null }] }, { ['k'.repeat(201)]: 1 }],
      ...[
        ['eu-west-1'],
        ['eu', 'eu'],
        ['EU'],
        ['10.0.0.0/8'],
        ['10.0.0.1/8'],
        ['::/0', '1.2.3.4'],
        ['a:b', '*'],
        ['no spaces'],
      ],
      ...[
        { limit: 1, windowMs: 1000 },
        { limit: 0, windowMs: 1000 },
        { limit: 1, windowMs: 1500 },
        { limit: 1 },
      ],
      ...[{ clusters: 1 }, { clusters: -1 }, { agentKeys: null }, { regions: 10_000_001 }, { keys: 1 }],
      ['2001:DB8::/32', '2001:db8::/32'],
      [{ url: 'http://x.example' }],
      [{ url: 'http://x.example' }, { url: 'http://x.example', weight: 2 }],
      [{ url: 'http://x.example', priority: 1001 }],
      [{ url: 'http://169.254.1.1', weight: 1 }],
    ];
    const cluster = (fields: object) => ({ clusters: [{ name: 'c', ...fields }] });
    const key = (fields: object) => cluster({ agentKeys: [{ name: 'k', ...fields }] });
    const fields: Record<
      string,
      [{ safeParse(value: unknown): { success: boolean } }, (value: unknown) => object]
    > = {
      name: [hubFields.name, (name) => ({ clusters: [{ name }] })],
      quotas: [quotasInput.nullable(), (quotas) => ({ quotas })], // null: all three
      allowedRegions: [allowedRegions, (allowedRegions) => ({ allowedRegions })],
      upstreamUrl: [upstreamUrl, (upstreamUrl) => cluster({ upstreamUrl })],
      upstreams: [upstreams.nullable(), (upstreams) => cluster({ upstreams })],
      settings: [hubFields.settings, (settings) => cluster({ settings })],
      expiresAt: [hubFields.expiresAt, (expiresAt) => key({ expiresAt })],
      permissions: [hubKeys.permissions, (permissions) => key({ permissions })],
      allowedNetworks: [hubKeys.allowedNetworks, (allowedNetworks) => key({ allowedNetworks })],
      rateLimit: [hubKeys.rateLimit, (rateLimit) => key({ rateLimit })],
    };
    for (const [field, [hubs, tenant]] of Object.entries(fields))
      for (const value of values) {
        const file = { spokecast: 1, tenants: [{ name: 'A', ...tenant(value) }] };
        const { success, error } = platformFile.safeParse(file);
        const said = `${field}: ${JSON.stringify(value).slice(0, 80)} ${error?.message ?? ''}`;
        expect(success, said).toBe(hubs.safeParse(value).success);
      }
  });

  test('directories are read whole, in order, without what begins with a dot', async () => {
    const home = await mkdtemp(join(tmpdir(), 'spokecast-files-'));
    try {
      await mkdir(join(home, 'a', '.git'), { recursive: true });
      for (const name of ['b.yaml', 'a/c.yml', 'a/.git/x.yaml', 'readme.md', 'z.json'])
        await writeFile(join(home, name), name);
      const sources = await readSources([home], systemTerminal);
      expect(sources.map(({ text }) => text)).toEqual(['a/c.yml', 'b.yaml', 'z.json']);
      await mkdir(join(home, 'folder.yaml')); // is none
      await expect(readSources([home], systemTerminal)).resolves.toHaveLength(3);
      await writeFile(join(home, 'latin.yaml'), Buffer.from('name: Caf\u00e9', 'latin1'));
      await expect(readSources([home], systemTerminal)).rejects.toThrow(
        /latin\.yaml: it is no text in UTF-8/,
      );
      await expect(readSources(['/dev/zero'], systemTerminal)).rejects.toThrow('larger than 16 MiB');
      await expect(
        readSources([join(home, 'none'), join(home, 'a', '.git', 'none')], systemTerminal),
      ).rejects.toThrow(/none: ENOENT[\s\S]*none: ENOENT/);
    } finally {
      await rm(home, { recursive: true });
    }
  });

  test('the schema for editors lets through what is right and stops at what is not', () => {
    const { $schema: _, ...schema } = JSON.parse(platformSchema());
    const isValid = new Ajv({ strict: false, formats: { 'date-time': true, uri: true } }).compile(schema);
    const right =
      'spokecast: 1\ntenants: [{name: A, clusters: [{name: c, placements: [eu-west-1, {region: us}], upstreams: [{url: http://x}]}]}]';
    expect(isValid(parse(right)), JSON.stringify(isValid.errors)).toBe(true);
    expect(isValid({ spokecast: 2 })).toBe(false);
    expect(isValid({ spokecast: 1, tenants: [{ name: 'A', colour: 'red' }] })).toBe(false);
    const bound = (fields: object) => isValid({ spokecast: 1, tenants: [{ name: 'A', ...fields }] });
    expect(bound({ quotas: { clusters: 3, regions: null }, allowedRegions: ['eu', 'us'] })).toBe(true);
    expect(bound({ quotas: null, allowedRegions: null })).toBe(true);
    expect(bound({ quotas: { clusters: -1 } })).toBe(false);
    expect(bound({ allowedRegions: ['eu', 'eu'] })).toBe(false);
  });

  test('the schema for editors describes every field that does not speak for itself', () => {
    const { tenants } = JSON.parse(platformSchema()).properties;
    const { quotas, allowedRegions } = tenants.items.properties;
    for (const described of [quotas, allowedRegions, ...Object.values<object>(quotas.anyOf[0].properties)])
      expect(JSON.stringify(described)).toMatch(/"description":"[^"]{20,}/);
  });
});

test('in parallel: no more at a time than allowed, and nothing is begun after a failure', async () => {
  let running = 0;
  let most = 0;
  const begun: number[] = [];
  const work = async (item: number) => {
    begun.push(item);
    most = Math.max(most, ++running);
    await Promise.resolve();
    running -= 1;
    if (item === 5) throw new Error('five');
  };
  await expect(inParallel([1, 2, 3, 4, 5, 6, 7, 8, 9], 2, work)).rejects.toThrow('five');
  expect(most).toBe(2);
  expect(begun.length).toBeLessThan(9);
});

test('Ctrl-C asks for an end and says so', () => {
  const said: string[] = [];
  const before = process.listenerCount('SIGINT');
  using interruption = new Interruption((line) => said.push(line));
  expect(interruption.signal.aborted).toBe(false);
  (process.listeners('SIGINT').at(-1) as () => void)();
  expect(interruption.signal.aborted).toBe(true);
  expect(said).toEqual([expect.stringContaining('after the requests under way')]);
  interruption[Symbol.dispose]();
  expect(process.listenerCount('SIGINT')).toBe(before);
});
