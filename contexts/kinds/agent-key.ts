import { z } from 'zod';
import { defineKind } from './kind.ts';

/** A cluster's credential, as a verifier: nothing in it lets anyone in (law 10). Key: the agent key's id. */
export const agentKey = defineKind({
  name: 'agent-key',
  schemaVersion: 1,
  schema: z.looseObject({
    tenantId: z.string().min(1),
    clusterId: z.string().min(1),
    /** SHA-256 of the whole secret, base64url without padding: 43 characters. */
    verifier: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
    status: z.enum(['active', 'disabled']),
    /** Milliseconds since the Unix epoch after which the key is refused; null for never. */
    expiresAtMs: z.number().int().nonnegative().nullable(),
    permissions: z.array(z.string().min(1)),
  }),
  denies: ({ status, expiresAtMs }, nowMs) =>
    status === 'disabled' || (typeof expiresAtMs === 'number' && expiresAtMs <= nowMs),
  denial: {
    tenantId: '-',
    clusterId: '-',
    verifier: '-'.repeat(43), // no hash of anything
    status: 'disabled',
    expiresAtMs: 0,
    permissions: [],
  },
});
