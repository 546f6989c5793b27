import fc from 'fast-check';

/** Words that a careless writer or reader of YAML takes for something else. */
const traps = [
  'no',
  'yes',
  'null',
  '~',
  '1e3',
  '0x10',
  '2027-01-01',
  '- a',
  'a: b',
  '#c',
  "it's",
  '"q"',
  '&a',
  '*b',
  '<<',
  '%',
  '@x',
  '!t',
  '{',
  '[',
  '|',
  '>',
];

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what the hub refuses
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

const name = fc
  .oneof(
    fc.constantFrom(...traps),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }),
    fc.string({ minLength: 1, maxLength: 60 }),
  )
  .filter((text) => text.trim() !== '' && !unprintable.test(text))
  .filter((text) => text.isWellFormed());

const url = fc.constantFrom('http://a.example', 'https://b.example:8443/path', 'http://10.0.0.1:1/x-y_z');
const settings = fc.dictionary(
  fc
    .string({ minLength: 1, maxLength: 20 })
    .filter((text) => text !== '__proto__' && !text.includes('\u0000')),
  fc.jsonValue({ maxDepth: 2 }).filter((value) => !/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(value))),
  { maxKeys: 4 },
);
const upstreams = fc.uniqueArray(
  fc.record(
    { url, priority: fc.nat(1000), weight: fc.integer({ min: 1, max: 1000 }) },
    { requiredKeys: ['url'] },
  ),
  { minLength: 1, maxLength: 3, selector: (one) => one.url },
);
const optional = { requiredKeys: [] };

const agentKey = fc.record(
  {
    name,
    status: fc.constantFrom('active', 'disabled'),
    expiresAt: fc.option(fc.constantFrom('2099-01-01T00:00:00Z', '2099-06-01T12:00:00.5+02:00')),
    permissions: fc.uniqueArray(fc.constantFrom('read', 'write', 'a:b', '*', 'no'), { maxLength: 3 }),
    allowedNetworks: fc.option(
      fc.uniqueArray(fc.constantFrom('10.0.0.0/8', '192.0.2.1', '2001:DB8::/32'), { minLength: 1 }),
    ),
    rateLimit: fc.option(
      fc.record({ limit: fc.integer({ min: 1, max: 1000 }), windowMs: fc.constantFrom(1000, 60_000) }),
    ),
  },
  { requiredKeys: ['name'] },
);

const sameName = ({ name }: { name: string }) => name.trim().normalize('NFC');

function cluster(regions: readonly string[]) {
  const overrides = fc.record({ upstreamUrl: url, upstreams, settings }, optional);
  const placement = fc.oneof(
    fc.constantFrom(...regions),
    fc.record({ region: fc.constantFrom(...regions), overrides }, { requiredKeys: ['region'] }),
  );
  return fc.record(
    {
      name,
      status: fc.constantFrom('active', 'disabled'),
      upstreamUrl: url,
      upstreams: fc.option(upstreams),
      settings,
      placements: fc.uniqueArray(placement, {
        minLength: 1,
        selector: (one) => (typeof one === 'string' ? one : one.region),
      }),
      agentKeys: fc.uniqueArray(agentKey, { maxLength: 4, selector: sameName }),
    },
    { requiredKeys: ['name', 'upstreamUrl', 'placements'] },
  );
}

const quota = fc.option(fc.integer({ min: 20, max: 30 }));

/** A tenant as a platform file may say it, with clusters in these regions, and bounds that have room for them. */
export function anyTenant(regions: readonly string[]) {
  return fc.record(
    {
      name,
      status: fc.constantFrom('active', 'suspended'),
      quotas: fc.option(fc.record({ clusters: quota, agentKeys: quota, regions: quota }, optional)),
      allowedRegions: fc.option(fc.constantFrom(regions, regions.toReversed())),
      clusters: fc.uniqueArray(cluster(regions), { maxLength: 3, selector: sameName }),
    },
    { requiredKeys: ['name'] },
  );
}
