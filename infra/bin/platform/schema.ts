import { z } from 'zod';
import { idPrefixes } from '../../../contexts/ids.ts';
import { networksMax, parseNetwork } from '../../../contexts/networks.ts';
import { permissionName, permissionNameRule, permissionsMax } from '../../../contexts/permissions.ts';
import { isNeverUpstream } from '../../../contexts/upstream-networks.ts';
import { isPrintable } from '../tables.ts';

/**
 * The platform file, as people write it. It says what the hub would say too, where that can be said without asking
 * it: so a mistake has a line and a column. What is absent is left as it is; `null` is none.
 */
const name = z
  .string('must be text: put quotes round a number')
  .trim()
  .normalize('NFC')
  .min(1, 'must not be empty')
  .max(120, 'must have at most 120 characters')
  .refine(isPrintable, 'must not hold control characters');

const idOf = (of: 'tenant' | 'cluster' | 'agentKey') =>
  z
    .string()
    .regex(
      new RegExp(`^${idPrefixes[of]}_[0-9a-hjkmnp-tv-z]{26}$`),
      `must be an id like ${idPrefixes[of]}_...`,
    )
    .optional()
    .describe('Which one it is, instead of its name: the name may then be changed here.');

const regionId = z
  .string('must be the id of a region')
  .regex(/^[a-z0-9-]{2,40}$/, 'must have 2 to 40 characters of a-z, 0-9 and -');

const url = z
  .string('must be a URL')
  .max(2048, 'must have at most 2048 characters')
  .refine(
    (text) =>
      /^https?:\/\/[^\s\\?#@]+$/i.test(text) && z.url({ protocol: /^https?$/ }).safeParse(text).success,
    'must be a URL that starts with http:// or https://, without credentials, query or fragment',
  );

const upstreamUrl = url.refine(
  (text) => !isNeverUpstream(text),
  'must not be at a link-local or unspecified address, nor at the metadata service of a cloud: gateways connect to none of them',
);

const settingsBytesMax = 32 * 1024;
const settings = z
  .record(z.string().max(200), z.json())
  .refine(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= settingsBytesMax,
    `must have at most ${settingsBytesMax} bytes as JSON`,
  )
  .describe('Opaque to Spokecast; handed to gateways. Replaces all settings.');

const whole = (from: number, to: number) =>
  z
    .int('must be a whole number')
    .min(from, `must be from ${from} to ${to}`)
    .max(to, `must be from ${from} to ${to}`);

const upstreams = z
  .array(
    z.strictObject({
      url: upstreamUrl.describe('Where to forward to.'),
      priority: whole(0, 1000)
        .default(0)
        .describe('The lowest that has a usable upstream takes all requests.'),
      weight: whole(1, 1000).default(1).describe('The share among those of one priority.'),
    }),
  )
  .min(1, 'must name at least one upstream; null for none but upstreamUrl')
  .max(16, 'must have at most 16 upstreams')
  .superRefine((list, issues) =>
    refuseTwice(
      list.map(({ url }) => url),
      issues,
      'url',
    ),
  )
  .describe('Where gateways forward to instead of upstreamUrl, if to more than one place.');

/** Of a list that names each thing once: every name that stands there before. */
function refuseTwice(
  names: readonly string[],
  issues: { addIssue(issue: { code: 'custom'; path: PropertyKey[]; message: string }): void },
  ...within: string[]
): void {
  for (const [index, name] of names.entries())
    if (names.indexOf(name) < index)
      issues.addIssue({ code: 'custom', path: [index, ...within], message: 'is named a second time' });
}

const placement = z.strictObject({
  region: regionId,
  overrides: z
    .strictObject({
      upstreamUrl: upstreamUrl.optional(),
      upstreams: upstreams.optional(),
      settings: settings.optional(),
    })
    .optional()
    .describe("What is given here replaces the cluster's own value in this region."),
});

const network = z
  .string('must be a network like 10.0.0.0/8')
  .superRefine((text, issues) => {
    const parsed = parseNetwork(text);
    if (parsed.outcome === 'invalid') issues.addIssue({ code: 'custom', message: parsed.problem });
  })
  .overwrite((text) => {
    const parsed = parseNetwork(text);
    return parsed.outcome === 'network' ? parsed.canonical : text;
  });

const [firstMs, lastMs] = [Date.parse('0001-01-01T00:00:00Z'), Date.parse('9999-12-31T23:59:59.999Z')];

const agentKey = z.strictObject({
  name,
  id: idOf('agentKey'),
  status: z.enum(['active', 'disabled'], 'must be active or disabled').optional(),
  expiresAt: z.iso
    .datetime({ offset: true, error: 'must be a time like 2027-01-31T00:00:00Z' })
    .refine(
      (text) => !(Date.parse(text) < firstMs || Date.parse(text) > lastMs),
      'must be in the years 1 to 9999',
    )
    .nullable()
    .optional()
    .describe('When it stops to work; null for never.'),
  permissions: z
    .array(z.string().regex(permissionName, permissionNameRule))
    .max(permissionsMax, `must have at most ${permissionsMax} permissions`)
    .superRefine((list, issues) => refuseTwice(list, issues))
    .optional(),
  allowedNetworks: z
    .array(network)
    .min(1, 'must not be empty; null is anywhere')
    .max(networksMax, `must have at most ${networksMax} networks`)
    .superRefine((list, issues) => refuseTwice(list, issues))
    .nullable()
    .optional()
    .describe('Networks that it may be used from; null for anywhere.'),
  rateLimit: z
    .strictObject({
      limit: whole(1, 1_000_000).describe('Requests that each gateway grants in a window.'),
      windowMs: whole(1000, 86_400_000)
        .multipleOf(1000, 'must be whole seconds')
        .describe('Milliseconds, in whole seconds.'),
    })
    .nullable()
    .optional()
    .describe('null for any number.'),
});

const cluster = z.strictObject({
  name,
  id: idOf('cluster'),
  status: z.enum(['active', 'disabled'], 'must be active or disabled').optional(),
  upstreamUrl: upstreamUrl
    .optional()
    .describe('Where gateways forward its requests to. Required for a new one.'),
  upstreams: upstreams.nullable().optional(),
  settings: settings.optional(),
  placements: z
    .array(z.union([regionId, placement]))
    .min(1, 'must name at least one region; to take a cluster out of service, set its status to disabled')
    .max(200, 'must have at most 200 regions')
    .optional()
    .describe('The regions that serve it, all of them. Required for a new one.'),
  agentKeys: z
    .array(agentKey)
    .optional()
    .describe('Its credentials. With --prune those that are not listed are revoked.'),
});

const quota = (of: string) =>
  whole(0, 10_000_000)
    .nullable()
    .optional()
    .describe(`${of} at the most; null for any number. What is there already stays, also beyond it.`);

const quotas = z
  .strictObject({
    clusters: quota('Clusters'),
    agentKeys: quota('Agent keys of all its clusters'),
    regions: quota('Regions that its clusters are placed in'),
  })
  .describe(
    'How many of each the tenant may have; null for any number of all of them. Those that are not given stay as they are.',
  );

const allowedRegions = z
  .array(regionId)
  .min(1, 'must name at least one region; null is anywhere')
  .max(200, 'must have at most 200 regions')
  .superRefine((list, issues) => refuseTwice(list, issues))
  .overwrite((list) => list.toSorted())
  .meta({ uniqueItems: true })
  .describe('Its residency: the only regions that its clusters may be placed in; null for anywhere.');

const tenant = z.strictObject({
  name,
  id: idOf('tenant'),
  status: z.enum(['active', 'suspended'], 'must be active or suspended').optional(),
  quotas: quotas.nullable().optional(),
  allowedRegions: allowedRegions.nullable().optional(),
  clusters: z
    .array(cluster)
    .optional()
    .describe('With --prune those that are not listed are deleted, with their agent keys.'),
});

const region = z.strictObject({
  id: regionId,
  status: z.enum(['active', 'draining', 'disabled'], 'must be active, draining or disabled').optional(),
  store: z
    .strictObject({
      endpoint: url.optional().describe('Of the DynamoDB API, where it is not the one AWS has.'),
      awsRegion: z
        .string()
        .regex(/^[a-z0-9-]{1,40}$/, 'must be a name like eu-west-1')
        .optional(),
      table: z
        .string()
        .regex(/^[A-Za-z0-9_.-]{3,255}$/, 'must have 3 to 255 characters of a-z, A-Z, 0-9 and _ . -'),
    })
    .optional()
    .describe('Where its store is. Required for a new one.'),
});

export const platformFile = z
  .strictObject({
    $schema: z.string().optional().describe('In JSON: where editors find this schema.'),
    spokecast: z.literal(1, 'must be 1, the version of this format'),
    regions: z.array(region).optional(),
    tenants: z.array(tenant).optional(),
  })
  .describe('The platform of a Spokecast hub, for `spokecast apply`.');

export type PlatformFile = z.output<typeof platformFile>;
export type TenantEntry = NonNullable<PlatformFile['tenants']>[number];
export type ClusterEntry = NonNullable<TenantEntry['clusters']>[number];
export type KeyEntry = NonNullable<ClusterEntry['agentKeys']>[number];
export type RegionEntry = NonNullable<PlatformFile['regions']>[number];

/** For editors: every hub serves it as `/platform.schema.json`. */
export function platformSchema(): string {
  const schema = z.toJSONSchema(platformFile, { io: 'input', target: 'draft-7' });
  return `${JSON.stringify({ title: 'Spokecast platform file', ...schema }, null, 2)}\n`;
}
