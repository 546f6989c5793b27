import { asc } from 'drizzle-orm';
import type { ContextRef } from '../../../contexts/kinds/index.ts';
import { type Build, buildContexts, invalidReason } from '../../db/builders/index.ts';
import { holdsOf } from '../../db/holds.ts';
import { hubState, regions } from '../../db/schema.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import type { RegionRow } from '../regions/region.ts';
import { compare, toDerived, toStored } from './compare.ts';
import { ContextView, contextParams, findHead, tenantOfContext } from './context.ts';
import { type Look, lookInto } from './look.ts';

export const getContext = defineRoute({
  method: 'GET',
  path: '/v1/contexts/{kind}/{key}',
  operationId: 'getContext',
  tag: 'contexts',
  summary: 'Compare a context with what every region holds of it',
  description:
    'All stores are read at the same time, each within a second. Between the readings of hub and store a change may arrive: what is `stale` or `missing` now may be `in-sync` a moment later.',
  operation: 'contexts.read',
  params: contextParams,
  answer: {
    status: 200,
    description: 'The head, and each region, in the order of their ids.',
    schema: ContextView,
  },
  problems: ['NOT_FOUND'],
  async handle({ actor, db, params, services }) {
    const ref: ContextRef = params;
    await tenantOfContext(db, actor, ref);
    const [hub] = await db.select().from(hubState);
    const rows = await db.select().from(regions).orderBy(asc(regions.id));
    services.stores.keepOnly(new Set(rows.map(({ id }) => id)));

    // The store first: what it has by then, the hub has had before, so a change in between never looks like `ahead`.
    const looks = await Promise.all(rows.map((row) => lookInto(row, ref, hub!.hubId, services)));
    const builds: Build[] = [];
    for (const row of rows) builds.push(...(await buildContexts(db, row.id, [ref], services.clock)));
    const holds = await holdsOf(db, ref);
    const head = await findHead(db, ref);
    // How much a region holds is none of a tenant's business.
    const holdIn = (region: string) => {
      const hold = holds.get(region);
      return hold && (actor.tenantId === null ? `${hold.reason}: ${hold.detail}` : hold.reason);
    };
    if (!head && looks.every((look) => look.outcome === 'read' && look.item === undefined)) fail('NOT_FOUND');
    return {
      body: {
        ...ref,
        head: head
          ? { revision: head.revision, deleted: head.deleted, changedAt: head.changedAt.toISOString() }
          : null,
        regions: rows.map((row, index) => view(row, builds[index]!, looks[index]!, holdIn(row.id))),
      },
    };
  },
});

function view(region: RegionRow, build: Build, look: Look, hold: string | undefined) {
  const derived = toDerived(build);
  if (look.outcome === 'unreachable') {
    return { region: region.id, state: 'unreachable' as const, detail: look.reason, derived, stored: null };
  }
  const state = compare(build, look.item);
  const held = hold !== undefined && state !== 'in-sync' && state !== 'quarantined';
  return {
    region: region.id,
    state: held ? ('held' as const) : state,
    detail: held ? hold : state === 'quarantined' ? (invalidReason(build) ?? null) : null,
    derived,
    stored: toStored(look.item),
  };
}
