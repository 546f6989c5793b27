import { asc } from 'drizzle-orm';
import type { ContextRef } from '../../../contexts/kinds/index.ts';
import { type Build, buildContexts } from '../../db/builders/index.ts';
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
    const head = await findHead(db, ref);
    if (!head && looks.every((look) => look.outcome === 'read' && look.item === undefined)) fail('NOT_FOUND');
    return {
      body: {
        ...ref,
        head: head
          ? { revision: head.revision, deleted: head.deleted, changedAt: head.changedAt.toISOString() }
          : null,
        regions: rows.map((row, index) => view(row, builds[index]!, looks[index]!)),
      },
    };
  },
});

function view(region: RegionRow, build: Build, look: Look) {
  const derived = toDerived(build);
  if (look.outcome === 'unreachable') {
    return { region: region.id, state: 'unreachable' as const, detail: look.reason, derived, stored: null };
  }
  return {
    region: region.id,
    state: compare(build, look.item),
    detail: null,
    derived,
    stored: toStored(look.item),
  };
}
