import { z } from '@hono/zod-openapi';
import { eq, getTableColumns, sql } from 'drizzle-orm';
import { isNeverUpstream } from '../../../contexts/upstream-networks.ts';
import { sees } from '../../access.ts';
import type { Actor } from '../../auth/actor.ts';
import { brokenConstraint } from '../../data/errors.ts';
import type { Queryable } from '../../db/client.ts';
import { clusters, type PlacementOverrides } from '../../db/schema.ts';
import { httpUrl, idOf, moment, name, regionId, settings } from '../../http/fields.ts';
import { blame, fail } from '../../http/problems.ts';

export const clusterStatus = z
  .enum(['active', 'disabled'], 'must be active or disabled')
  .openapi({ description: '`disabled`: gateways refuse its agent keys with 403.' });

/** Checked where it is written: rows that name such an address are shown and published as they are. */
const gatewayUrl = (description: string) =>
  httpUrl(description).refine(
    (url) => !isNeverUpstream(url),
    'must not be at a link-local or unspecified address, nor at the metadata service of a cloud: gateways connect to none of them',
  );

export const upstreamUrl = gatewayUrl("Where gateways forward the cluster's requests to.").openapi({
  example: 'https://metadata.acme.example',
});

/** One URL twice would be two weights for one place. */
export const upstreams = z
  .array(
    z
      .strictObject({
        url: gatewayUrl('Where to forward to.').openapi({ example: 'https://a.metadata.acme.example' }),
        priority: z
          .int('must be a whole number')
          .min(0, 'must be from 0 to 1000')
          .max(1000, 'must be from 0 to 1000')
          .default(0)
          .openapi({ description: 'The lowest that has a usable upstream takes all requests.' }),
        weight: z
          .int('must be a whole number')
          .min(1, 'must be from 1 to 1000')
          .max(1000, 'must be from 1 to 1000')
          .default(1)
          .openapi({ description: 'The share among those of one priority.' }),
      })
      .openapi('Upstream'),
  )
  .min(1, 'must name at least one upstream; null for none but upstreamUrl')
  .max(16, 'must have at most 16 upstreams')
  .superRefine((list, issues) => {
    const seen = new Set<string>();
    for (const [index, { url }] of list.entries()) {
      if (seen.has(url))
        issues.addIssue({ code: 'custom', path: [index, 'url'], message: 'is named a second time' });
      seen.add(url);
    }
  })
  .openapi({ description: 'Where gateways forward to instead of `upstreamUrl`, if to more than one place.' });

const Placement = z
  .strictObject({
    region: regionId,
    overrides: z
      .strictObject({
        upstreamUrl: upstreamUrl.optional(),
        upstreams: upstreams.optional(),
        settings: settings.optional(),
      })
      .optional()
      .openapi({
        description:
          "What is given here replaces the cluster's own value, as a whole, in this region. `upstreamUrl` without `upstreams` replaces the cluster's `upstreams` too.",
      }),
  })
  .openapi('Placement');

export const placementList = z
  .array(Placement)
  .min(
    1,
    'must name at least one region (GET /v1/regions lists them): a cluster placed nowhere is served nowhere. To take a cluster out of service, set its status to disabled',
  )
  .max(200, 'must have at most 200 regions')
  .superRefine((list, issues) => {
    const seen = new Set<string>();
    for (const [index, { region }] of list.entries()) {
      if (seen.has(region))
        issues.addIssue({
          code: 'custom',
          path: [index, 'region'],
          message: `names the region ${region} a second time`,
        });
      seen.add(region);
    }
  })
  .openapi({ description: 'The regions that serve the cluster.' });

export type PlacementInput = z.output<typeof Placement>;

/** A cluster as the API shows it. */
export const Cluster = z
  .strictObject({
    id: idOf('cluster'),
    tenantId: idOf('tenant'),
    name: name.openapi({ example: 'orders' }),
    status: clusterStatus,
    upstreamUrl,
    upstreams: upstreams.nullable().openapi({ example: null }),
    settings,
    placements: z.array(Placement).openapi({ description: 'In the order of their regions.' }),
    createdAt: moment,
    updatedAt: moment,
  })
  .openapi('Cluster');

export const clusterParams = z.object({
  id: idOf('cluster').openapi({ description: 'The id of a cluster.' }),
});

/** The columns of a cluster with its placements, in one statement, so that the two agree. */
export const clusterColumns = {
  ...getTableColumns(clusters),
  placements: sql<{ region: string; overrides: PlacementOverrides }[]>`(
    select coalesce(json_agg(json_build_object('region', p.region, 'overrides', p.overrides) order by p.region), '[]')
    from placements p where p.cluster_id = "clusters"."id")`.as('placements'),
};

export type ClusterRow = typeof clusters.$inferSelect & {
  placements: { region: string; overrides: PlacementOverrides }[];
};

export function toCluster(row: ClusterRow): z.infer<typeof Cluster> {
  const { id, tenantId, name, status, upstreamUrl, upstreams, createdAt, updatedAt } = row;
  return {
    ...{ id, tenantId, name, status, upstreamUrl, upstreams },
    settings: row.settings as z.infer<typeof settings>,
    placements: row.placements.map(({ region, overrides }) => ({
      region,
      ...(Object.keys(overrides).length > 0 ? { overrides: overrides as PlacementInput['overrides'] } : {}),
    })),
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

/** @throws ProblemError 404, also for another tenant's. */
export async function findCluster(db: Queryable, actor: Actor, id: string): Promise<ClusterRow> {
  const [row] = await db.select(clusterColumns).from(clusters).where(eq(clusters.id, id));
  if (!row || !sees(actor, row.tenantId)) return fail('NOT_FOUND');
  return row;
}

/**
 * Locks the cluster, then reads it: one statement that did both could, having waited for the lock, see the row as
 * it is now beside placements as they were before.
 */
export async function lockCluster(db: Queryable, actor: Actor, id: string): Promise<ClusterRow> {
  await db.select({ id: clusters.id }).from(clusters).where(eq(clusters.id, id)).for('update');
  return findCluster(db, actor, id);
}

/** Runs a write of a cluster's name, telling a taken one apart. */
export async function withUniqueName<Result>(
  wanted: string | undefined,
  write: () => Promise<Result>,
): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    if (brokenConstraint(error) === 'clusters_tenant_name') {
      blame('NAME_TAKEN', '/name', `a cluster of this tenant is called ${JSON.stringify(wanted)}`);
    }
    throw error;
  }
}
