import { z } from '@hono/zod-openapi';
import { asc, sql } from 'drizzle-orm';
import { type KindName, refText } from '../../../contexts/kinds/index.ts';
import { limits } from '../../../contexts/limits.ts';
import type { StoredItem } from '../../../contexts/store.ts';
import type { Queryable } from '../../db/client.ts';
import { agentKeys, clusters, hubState, regions } from '../../db/schema.ts';
import { regionId } from '../../http/fields.ts';
import { type PageRequest, pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { type LookAtMany, lookIntoMany } from '../contexts/look.ts';
import { findTenant, tenantParams } from './tenant.ts';

const list = z.array(regionId);

const Residence = z
  .strictObject({
    kind: z.string().openapi({ example: 'agent-key' }),
    key: z.string().openapi({ example: 'aki_01k9c0v8w1e4qafk3s7m2t6xhz' }),
    regions: list.openapi({
      description: 'Whose stores have it. A tombstone is not it: nothing is left in one.',
    }),
    outside: list.openapi({
      description:
        'Those of them that the residency does not allow. Empty, and nothing `unproven`, is the proof.',
      example: [],
    }),
    unproven: list.openapi({ description: 'Whose stores did not answer, or are disabled.', example: [] }),
  })
  .openapi('Residence');

export const getTenantResidency = defineRoute({
  method: 'GET',
  path: '/v1/tenants/{id}/residency',
  operationId: 'getTenantResidency',
  tag: 'tenants',
  summary: "Prove from the stores where a tenant's contexts are",
  description:
    "Reads the stores of all regions, not what the hub believes of them: the tenant, its clusters and its agent keys, a page at a time. A context of which a store has something unreadable counts as there. What the hub knows no longer is not in this list; a region's sweeps find that (`orphan`).",
  operation: 'contexts.read',
  params: tenantParams,
  query: z.strictObject(pageQuery),
  answer: {
    status: 200,
    description: 'A page of contexts.',
    schema: pageOf('ResidencePage', Residence),
  },
  problems: ['NOT_FOUND'],
  async handle({ actor, db, params, query, services }) {
    const { allowedRegions, id } = await findTenant(db, actor, params.id);
    const page = pageRequest('residency', query);
    const contexts = await contextsOf(db, id, page);
    const refs = contexts.slice(0, page.limit).map(({ kind, id: key }) => ({ kind, key }));
    const [hub] = await db.select().from(hubState);
    const rows = await db.select().from(regions).orderBy(asc(regions.id));
    services.stores.keepOnly(new Set(rows.map((row) => row.id)));
    const looks = new Map<string, LookAtMany>();
    for (let at = 0; at < refs.length; at += limits.batchMax) {
      const batch = refs.slice(at, at + limits.batchMax);
      const found = await Promise.all(rows.map((row) => lookIntoMany(row, batch, hub!.hubId, services)));
      for (const [index, look] of found.entries()) {
        const region = rows[index]!.id;
        looks.set(region, together(looks.get(region), look));
      }
    }
    return {
      body: pageFrom('residency', page, contexts, ({ kind, id: key }) => {
        const having = (want: 'here' | 'unproven') =>
          rows.map((row) => row.id).filter((region) => stateIn(looks.get(region)!, { kind, key }) === want);
        const here = having('here');
        const outside = here.filter((region) => allowedRegions !== null && !allowedRegions.includes(region));
        return { kind, key, regions: here, outside, unproven: having('unproven') };
      }),
    };
  },
});

/** The tenant, its clusters and its keys in the order of their ids, one more than the page holds. */
async function contextsOf(
  db: Queryable,
  tenantId: string,
  { after = '', limit }: PageRequest,
): Promise<{ kind: KindName; id: string }[]> {
  return db.execute<{ kind: KindName; id: string }>(sql`
    (select 'tenant' as kind, ${tenantId}::text collate "C" as id where ${tenantId}::text collate "C" > ${after})
    union all
    (select 'cluster', ${clusters.id} from ${clusters}
      where ${clusters.tenantId} = ${tenantId} and ${clusters.id} > ${after} order by 2 limit ${limit + 1})
    union all
    (select 'agent-key', ${agentKeys.id} from ${agentKeys}
      where ${agentKeys.tenantId} = ${tenantId} and ${agentKeys.id} > ${after} order by 2 limit ${limit + 1})
    order by 2 limit ${limit + 1}`);
}

/** A store that was silent once proves nothing. */
function together(before: LookAtMany | undefined, look: LookAtMany): LookAtMany {
  if (before === undefined || look.outcome === 'unreachable') return look;
  if (before.outcome === 'unreachable') return before;
  return { outcome: 'read', items: new Map([...before.items, ...look.items]) };
}

function stateIn(look: LookAtMany, ref: { kind: KindName; key: string }): 'here' | 'gone' | 'unproven' {
  if (look.outcome === 'unreachable') return 'unproven';
  const item: StoredItem | undefined = look.items.get(refText(ref));
  if (item === undefined) return 'gone';
  return item.state === 'context' && item.envelope.bodyText === null ? 'gone' : 'here';
}
