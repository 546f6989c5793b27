import { type SQL, sql } from 'drizzle-orm';
import { noVerifier } from '../../contexts/secrets.ts';
import { textArray } from '../db/builders/builder.ts';
import type { KeyChanges } from './judge.ts';

/** What the columns of an agent key become by these changes, said of the columns as they are. */
export function tightened(changes: KeyChanges): Record<string, SQL> {
  const { status, expiresAtMs, permissions, secrets, allowedNetworks, rateLimit } = changes;
  const present = sql`coalesce(${secrets?.present ?? null}::text, restricted_verifier, verifier)`;
  const networks = sql`coalesce(${allowedNetworks ? textArray(allowedNetworks) : sql`null`}::cidr[], allowed_networks)`;
  return {
    status: sql`coalesce(${status ?? null}::text, status)`,
    expires_at: sql`coalesce(to_timestamp(${expiresAtMs ?? null}::float8 / 1000), expires_at)`,
    permissions: sql`coalesce(${permissions ? textArray(permissions) : sql`null`}::text[], permissions)`,
    verifier: sql`case when ${networks} is null then ${present} else ${noVerifier} end`,
    restricted_verifier: sql`case when ${networks} is null then null else ${present} end`,
    retiring: sql`coalesce(${secrets ? JSON.stringify(secrets.retiring) : null}::jsonb, retiring)`,
    allowed_networks: networks,
    rate_limit: sql`coalesce(${rateLimit?.limit ?? null}::integer, rate_limit)`,
    rate_window_ms: sql`coalesce(${rateLimit?.windowMs ?? null}::integer, rate_window_ms)`,
  };
}
