import { z } from '@hono/zod-openapi';
import { isKindName, kindNames } from '../../../contexts/kinds/index.ts';
import { holdReasons } from '../../db/guard-schema.ts';
import { listHolds } from '../../db/holds.ts';
import { moment } from '../../http/fields.ts';
import { pageFrom, pageOf, pageQuery, pageRequest } from '../../http/paging.ts';
import { defineRoute } from '../../http/route.ts';
import { findRegion, regionParams } from './region.ts';

const kind = z.enum(
  kindNames as [(typeof kindNames)[number], ...typeof kindNames],
  'must be a kind of context',
);
const reason = z.enum(holdReasons, 'must be budget, kind-empty or invalid');

const Hold = z
  .strictObject({
    kind: kind.openapi({ example: 'agent-key' }),
    key: z.string().openapi({ example: 'aki_01k9c0v8w1e4qafk3s7m2t6xhz' }),
    reason: reason.openapi({
      description:
        '`budget`: too many contexts would be lost at once; `kind-empty`: the hub has none of the kind any more; `invalid`: its content must not be published (quarantine).',
    }),
    detail: z.string().openapi({ example: '120 contexts would be lost within an hour; 100 may be' }),
    since: moment,
  })
  .openapi('Hold');

export const listRegionHolds = defineRoute({
  method: 'GET',
  path: '/v1/regions/{id}/holds',
  operationId: 'listRegionHolds',
  tag: 'regions',
  summary: 'List the contexts whose last good state stays in a region, and why',
  description:
    'What is over the budget of losses waits for `POST /v1/sweeps/{id}/approve`, or for its row to change back; what is invalid, for its content to be mended.',
  operation: 'holds.read',
  params: regionParams,
  query: z.strictObject({
    ...pageQuery,
    kind: kind.optional().openapi({ description: 'Contexts of this kind.' }),
    reason: reason.optional().openapi({ description: 'Held for this reason.' }),
  }),
  answer: { status: 200, description: 'A page of holds.', schema: pageOf('HoldPage', Hold) },
  problems: ['NOT_FOUND'],
  async handle({ db, params, query }) {
    const { id: region } = await findRegion(db, params.id);
    const page = pageRequest('holds', query);
    const rows = await listHolds(db, region, {
      after: fromCursor(page.after),
      limit: page.limit + 1,
      kind: query.kind,
      reason: query.reason,
    });
    const named = rows.map((row) => ({ ...row, id: toCursor(row) }));
    return {
      body: pageFrom('holds', page, named, ({ id: _, since, ...rest }) => ({
        ...rest,
        since: since.toISOString(),
      })),
    };
  },
});

// Cursors are of letters, digits, dash and underscore; keys have more.
function toCursor({ kind, key }: { kind: string; key: string }): string {
  return Buffer.from(`${kind} ${key}`).toString('hex');
}

function fromCursor(after: string | undefined): { kind: string; key: string } | undefined {
  const [kind = '', key = ''] = Buffer.from(after ?? '', 'hex')
    .toString()
    .split(' ');
  return isKindName(kind) ? { kind, key } : undefined;
}
