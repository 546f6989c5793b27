import type postgres from 'postgres';
import { oneByOne } from '../../../contexts/base/merge-join.ts';
import { kindNames } from '../../../contexts/kinds/index.ts';
import type { Store } from '../../../contexts/store.ts';

/**
 * What a region is to hold, as `kind/key -> body`, by a query written here and not shared with the builders: the
 * second opinion that convergence is checked against.
 */
export async function derivedByHand(sql: postgres.Sql, region: string): Promise<Map<string, unknown>> {
  const wanted = new Map<string, unknown>();
  const clusters = await sql`
    select c.id, c.tenant_id, c.name, c.status, c.upstream_url, c.settings, p.overrides, t.name as tenant_name, t.status as tenant_status
    from placements p, clusters c, tenants t where p.region = ${region} and p.cluster_id = c.id and c.tenant_id = t.id`;
  for (const row of clusters) {
    wanted.set(`tenant/${row.tenant_id}`, { name: row.tenant_name, status: row.tenant_status });
    wanted.set(`cluster/${row.id}`, {
      tenantId: row.tenant_id,
      name: row.name,
      status: row.status,
      upstreamUrl: row.overrides.upstreamUrl ?? row.upstream_url,
      settings: row.overrides.settings ?? row.settings,
    });
    const keys = await sql`select * from agent_keys where cluster_id = ${row.id}`;
    for (const key of keys) {
      wanted.set(`agent-key/${key.id}`, {
        tenantId: row.tenant_id,
        clusterId: row.id,
        verifier: key.verifier,
        ...boundsByHand(key),
        status: key.status,
        expiresAtMs: key.expires_at === null ? null : key.expires_at.getTime(),
        permissions: key.permissions,
      });
    }
  }
  for (const row of await sql`select region, beat_at from heartbeats where region = ${region}`)
    wanted.set(`heartbeat/${row.region}`, { atMs: row.beat_at.getTime() });
  return wanted;
}

function boundsByHand(key: postgres.Row): object {
  const bounds: Record<string, unknown> = {};
  const secrets = [{ verifier: key.restricted_verifier ?? key.verifier, endsAtMs: null }, ...key.retiring];
  if (key.restricted_verifier !== null || secrets.length > 1) bounds.verifiers = secrets;
  if (key.allowed_networks !== null) bounds.allowedNetworks = key.allowed_networks;
  if (key.rate_limit !== null) bounds.rateLimit = { limit: key.rate_limit, windowMs: key.rate_window_ms };
  return bounds;
}

/** What a store holds live, as `kind/key -> body`; what does not decode is there as its reason. */
export async function heldLive(store: Store): Promise<Map<string, unknown>> {
  const held = new Map<string, unknown>();
  for (const kind of kindNames) {
    for await (const item of oneByOne(store.scan(kind))) {
      if (item.state === 'corrupt') held.set(`${kind}/${item.key}`, `corrupt: ${item.reason}`);
      else if (item.envelope.bodyText !== null)
        held.set(`${kind}/${item.key}`, JSON.parse(item.envelope.bodyText));
    }
  }
  return held;
}
