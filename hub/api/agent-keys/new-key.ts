import { z } from '@hono/zod-openapi';
import { toTimestamp } from '../../data/expiry.ts';
import { rateColumns, secretColumns } from '../../db/agent-key-bounds.ts';
import { expiresAt, name } from '../../http/fields.ts';
import { allowedNetworks, permissions, rateLimit } from './agent-key.ts';

/** What a new key may be given, however it is made. */
export const newKeyFields = {
  name: name.openapi({ example: 'agent 7' }),
  expiresAt: expiresAt.optional(),
  permissions: permissions.optional(),
  allowedNetworks: allowedNetworks.optional(),
  rateLimit: rateLimit.optional(),
};

const fields = z.object(newKeyFields);

/** What it has besides, from whoever makes it. */
interface Made {
  id: string;
  verifier: string;
  clusterId: string;
  tenantId: string;
  /** Its end, which was looked at before: null for none. */
  expiry: string | null;
}

/** Its row: what was not given is as little as a key can have. */
export function newKeyRow(given: z.output<typeof fields>, { verifier, expiry, ...ids }: Made) {
  const { name, permissions = [], allowedNetworks = null, rateLimit = null } = given;
  return {
    ...{ ...ids, name, permissions },
    ...secretColumns(verifier, allowedNetworks),
    ...rateColumns(rateLimit),
    expiresAt: toTimestamp(expiry),
  };
}
