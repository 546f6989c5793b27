import { Document, type Scalar, visit } from 'yaml';
import type { AgentKey, Cluster, Region } from '../../client/hub-api.ts';
import type { PlatformState } from './state.ts';

export interface ExportOptions {
  /** Give every thing its id: then names may be changed in the file, and it fits this hub only. */
  ids: boolean;
  regions: boolean;
  /** Where editors find the schema of what is written. */
  schemaUrl: string;
}

/** The platform as a file, which `apply` reads back without a change. Secrets are not in it: the hub has none. */
export function exportText(state: PlatformState, options: ExportOptions): string {
  const document = new Document(platformOf(state, options), { aliasDuplicateObjects: false });
  visit(document, {
    // Words of plain text that another reader of YAML might take for something else: `no`, `on`, `1e3`, `2027-01-31`.
    Scalar(_, node: Scalar) {
      if (typeof node.value === 'string' && !/^[A-Za-z][A-Za-z0-9 _./:-]*$/.test(node.value))
        node.type = 'QUOTE_DOUBLE';
      else if (typeof node.value === 'string' && /^(y|n|yes|no|on|off|true|false|null)$/i.test(node.value))
        node.type = 'QUOTE_DOUBLE';
    },
  });
  return `# yaml-language-server: $schema=${options.schemaUrl}\n${document.toString({ lineWidth: 0 })}`;
}

/** The same as JSON, which has no comments. */
export function exportJson(state: PlatformState, options: ExportOptions): string {
  return JSON.stringify({ $schema: options.schemaUrl, ...platformOf(state, options) });
}

function platformOf(state: PlatformState, { ids, regions }: ExportOptions): object {
  const byAge = <One extends { id: string }>(list: Iterable<One>) =>
    [...list].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return {
    spokecast: 1,
    ...(regions && state.regions.size > 0 ? { regions: byAge(state.regions.values()).map(regionOf) } : {}),
    tenants: byAge(state.tenants.values()).map(({ id, name, status, quotas, allowedRegions }) => ({
      name,
      ...(ids ? { id } : {}),
      status,
      quotas: Object.values(quotas).every((most) => most === null) ? null : quotas,
      allowedRegions,
      clusters: byAge(state.clustersOf(id)).map((cluster) =>
        clusterOf(cluster, byAge(state.keysOf(cluster.id)), ids),
      ),
    })),
  };
}

function regionOf({ id, status, store }: Region): object {
  return { id, status: status === 'seeding' ? 'active' : status, ...(store ? { store } : {}) };
}

function clusterOf(cluster: Cluster, keys: readonly AgentKey[], ids: boolean): object {
  const { id, name, status, upstreamUrl, upstreams, settings, placements } = cluster;
  const named = Map.groupBy(keys, (key) => key.name);
  return {
    name,
    ...(ids ? { id } : {}),
    status,
    upstreamUrl,
    upstreams,
    settings,
    placements: placements.map(({ region, overrides }) => (overrides ? { region, overrides } : region)),
    // Keys that share a name can only be told apart by their ids.
    agentKeys: keys.map((key) => keyOf(key, ids || named.get(key.name)!.length > 1)),
  };
}

function keyOf(
  { id, name, status, expiresAt, permissions, allowedNetworks, rateLimit }: AgentKey,
  ids: boolean,
): object {
  return { name, ...(ids ? { id } : {}), status, expiresAt, permissions, allowedNetworks, rateLimit };
}
