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

export function rateColumns(rate: { limit: number; windowMs: number } | null) {
  return { rateLimit: rate?.limit ?? null, rateWindowMs: rate?.windowMs ?? null };
}

/** The secrets in `retiring`, without what SQL may have written there that is none. */
export function retiringOf(retiring: unknown): RetiringSecret[] {
  if (!Array.isArray(retiring)) return [];
  return retiring.filter(
    (one) => typeof one?.verifier === 'string' && one.endsAtMs >= 0 && one.endsAtMs <= timeMsMax,
  );
}

/** The last moment that a timestamp can say. */
const timeMsMax = 8.64e15;

/** Secrets of one key that may be ending at a time. */
export const retiringMax = 4;

/**
 * The retiring secrets of a key that gets a new one: the present one and those before it that have not ended, none of
 * them beyond `endsAtMs`. Whoever ends at once is left out. `too-many` rather than ending one early that was promised.
 */
export function retiringAfter(
  row: Pick<typeof agentKeys.$inferSelect, 'verifier' | 'restrictedVerifier' | 'retiring'>,
  nowMs: number,
  endsAtMs: number,
): RetiringSecret[] | 'too-many' {
  const present = { verifier: row.restrictedVerifier ?? row.verifier, endsAtMs };
  const retiring = [present, ...retiringOf(row.retiring)]
    .map((secret) => ({ ...secret, endsAtMs: Math.min(secret.endsAtMs, endsAtMs) }))
    .filter((secret) => secret.endsAtMs > nowMs);
  return retiring.length > retiringMax ? 'too-many' : retiring;
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
