import { type SQL, sql } from 'drizzle-orm';
import type { Body } from '../../contexts/kinds/index.ts';
import { noVerifier } from '../../contexts/secrets.ts';
import { agentKeys, type RetiringSecret } from './schema.ts';

/** How an agent key's secrets and bounds stand in its row, and how they are told in its context. */
export interface BoundsRow {
  verifier: string;
  restricted_verifier: string | null;
  retiring: RetiringSecret[];
  allowed_networks: string[] | null;
  rate_limit: number | null;
  rate_window_ms: number | null;
}

export type Bounds = Pick<Body<'agent-key'>, 'verifier' | 'verifiers' | 'allowedNetworks' | 'rateLimit'>;

export const boundsColumns: SQL = sql`${agentKeys.verifier} as verifier,
  ${agentKeys.restrictedVerifier} as restricted_verifier, ${agentKeys.retiring} as retiring,
  ${agentKeys.allowedNetworks}::text[] as allowed_networks,
  ${agentKeys.rateLimit} as rate_limit, ${agentKeys.rateWindowMs} as rate_window_ms`;

/** Where the verifier of the present secret stands, by whether the key is bound to networks. */
export function secretColumns(present: string, allowedNetworks: readonly string[] | null) {
  if (allowedNetworks === null) return { verifier: present, restrictedVerifier: null, allowedNetworks: null };
  return { verifier: noVerifier, restrictedVerifier: present, allowedNetworks: [...allowedNetworks] };
}

/** SQL can write anything as `retiring`: what is no list of secrets is left to the context's schema to refuse. */
export function boundsOf(row: BoundsRow): Bounds {
  const { verifier, restricted_verifier, retiring, allowed_networks, rate_limit, rate_window_ms } = row;
  const isPlain = restricted_verifier === null && Array.isArray(retiring) && retiring.length === 0;
  const present = { verifier: restricted_verifier ?? verifier, endsAtMs: null };
  return {
    verifier,
    ...(isPlain ? {} : { verifiers: [present, ...[retiring].flat()] }),
    ...(allowed_networks === null ? {} : { allowedNetworks: allowed_networks }),
    ...(rate_limit === null || rate_window_ms === null
      ? {}
      : { rateLimit: { limit: rate_limit, windowMs: rate_window_ms } }),
  };
}
