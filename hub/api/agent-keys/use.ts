import { z } from '@hono/zod-openapi';
import type { UseInRegion } from '../../db/key-uses.ts';
import { moment, regionId } from '../../http/fields.ts';
import { AgentKey } from './agent-key.ts';

export const lastUsedAt = moment.nullable().openapi({
  description:
    'When it was last let in anywhere, as gateways tell every ten minutes or as they are configured. null where nobody has told of any use: it was never used, or was where gateways do not tell.',
});

const use = z.strictObject({
  region: regionId,
  state: z.enum(['used', 'never', 'unknown']).openapi({
    description:
      '`never`: all gateways there have told since before the key was made, and none of them let it in; `unknown`: not all did, so silence proves nothing.',
  }),
  lastUsedAt: moment
    .nullable()
    .openapi({ description: 'No earlier than the use, and by at most those minutes later.' }),
  reportedSince: moment.nullable().openapi({
    description: 'Since when all gateways of the region tell; null where one does not.',
  }),
});

/** An agent key as it is shown alone: with where it was used. */
export const AgentKeyWithUses = z
  .strictObject({
    ...AgentKey.shape,
    lastUsedAt,
    uses: z.array(use).openapi({
      description: 'Where its cluster is placed, and where it was used before. Not part of the `ETag`.',
    }),
  })
  .openapi('AgentKeyWithUses');

/** An agent key as lists show it. */
export const AgentKeyListed = z.strictObject({ ...AgentKey.shape, lastUsedAt }).openapi('AgentKeyListed');

export function toUses(key: z.infer<typeof AgentKey>, rows: readonly UseInRegion[]) {
  const uses = rows.map(({ region, lastUsedAt, since }) => ({
    region,
    state: stateOf(key, lastUsedAt, since),
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
    reportedSince: since?.toISOString() ?? null,
  }));
  const times = rows.flatMap(({ lastUsedAt }) => lastUsedAt?.getTime() ?? []);
  return { lastUsedAt: times.length > 0 ? new Date(Math.max(...times)).toISOString() : null, uses };
}

function stateOf(key: z.infer<typeof AgentKey>, lastUsedAt: Date | null, since: Date | null) {
  if (lastUsedAt !== null) return 'used' as const;
  const told = since !== null && since.getTime() <= Date.parse(key.createdAt);
  return told ? ('never' as const) : ('unknown' as const);
}
