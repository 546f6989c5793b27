import { z } from 'zod';
import { parseNetwork } from '../networks.ts';
import { noVerifier } from '../secrets.ts';
import { defineKind } from './kind.ts';

const verifier = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/** A cluster's credential, as a verifier: nothing in it lets anyone in (law 10). Key: the agent key's id. */
export const agentKey = defineKind({
  name: 'agent-key',
  schemaVersion: 2,
  schema: z.looseObject({
    tenantId: z.string().min(1),
    clusterId: z.string().min(1),
    /**
     * SHA-256 of the whole secret, base64url without padding: 43 characters. Of the newest secret, where there are
     * several; of none, where there are bounds that gateways of version 1 would not keep: those let nobody in then.
     */
    verifier,
    status: z.enum(['active', 'disabled']),
    /** Milliseconds since the Unix epoch after which the key is refused; null for never. */
    expiresAtMs: z.number().int().nonnegative().nullable(),
    permissions: z.array(z.string().min(1)),
    /** Since version 2: every secret that works, instead of `verifier`; each until its end, null for the key's own. */
    verifiers: z
      .array(z.looseObject({ verifier, endsAtMs: z.number().int().nonnegative().nullable() }))
      .min(1)
      .optional(),
    /** Since version 2: the networks that the key may be used from; an empty list is nowhere. */
    allowedNetworks: z
      .array(z.string().refine((text) => parseNetwork(text).outcome === 'network', 'no network'))
      .optional(),
    /** Since version 2: how many requests in how long each gateway grants. */
    rateLimit: z
      .looseObject({ limit: z.number().int().positive(), windowMs: z.number().int().positive() })
      .optional(),
  }),
  denies: ({ status, expiresAtMs, allowedNetworks }, nowMs) =>
    status === 'disabled' ||
    (typeof expiresAtMs === 'number' && expiresAtMs <= nowMs) ||
    (Array.isArray(allowedNetworks) && allowedNetworks.length === 0),
  endsAtMs: ({ expiresAtMs }) => (typeof expiresAtMs === 'number' ? expiresAtMs : undefined),
  denial: {
    tenantId: '-',
    clusterId: '-',
    verifier: noVerifier,
    status: 'disabled',
    expiresAtMs: 0,
    permissions: [],
  },
});
