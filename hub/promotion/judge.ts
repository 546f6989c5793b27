import type { Body } from '../../contexts/kinds/index.ts';
import { covers } from '../../contexts/networks.ts';
import { noVerifier } from '../../contexts/secrets.ts';
import type { Bounds } from '../db/agent-key-bounds.ts';
import type { RetiringSecret } from '../db/schema.ts';
import { isNewerThanBackup, newestOf, type Testimony } from './evidence.ts';

/**
 * What the regions' testimonies mean for rows that came back with a backup. The rule: what was revoked stays revoked.
 * Where the evidence has two readings the row is denied, which a person can undo, and never deleted.
 *
 * A tombstone says that a region is to hold nothing under a key. It has two causes: the thing was deleted, or its
 * cluster was moved away from that region. A move leaves a live testimony of the same revision in the region that the
 * cluster went to; and it takes the cluster's own context out of the region as well, which a revocation leaves there.
 */
export interface HubState {
  epoch: number;
  runFirst: number;
}

export interface KeyRow extends Bounds {
  id: string;
  clusterId: string;
  revision: number;
  status: 'active' | 'disabled';
  expiresAtMs: number | null;
  permissions: readonly string[];
}

export interface KeyChanges {
  status?: 'disabled';
  expiresAtMs?: number;
  permissions?: readonly string[];
  /** All of them: the present one, and those that still work beside it. */
  secrets?: { present: string; retiring: readonly RetiringSecret[] };
  allowedNetworks?: readonly string[];
  rateLimit?: { limit: number; windowMs: number };
}

export type KeyVerdict =
  | { verdict: 'as-backup' }
  /** Its tombstone is the newest there is, and its cluster stayed where it was. */
  | { verdict: 'revoked' }
  /** Its cluster is gone from every region, and it with it. */
  | { verdict: 'gone-with-cluster' }
  /** Revoked, or moved to a region that has not received it: nobody can tell. */
  | { verdict: 'doubtful' }
  /** It may do less than the backup says. */
  | { verdict: 'tightened'; changes: KeyChanges };

/** Where a cluster is live by the newest of its testimonies; `gone` where they are tombstones from after the backup. */
export interface ClusterWhereabouts {
  liveIn: readonly string[];
  gone: boolean;
}

export function judgeKey(
  row: KeyRow,
  testimonies: readonly Testimony[],
  cluster: ClusterWhereabouts,
  hub: HubState,
): KeyVerdict {
  const newest = newestOf(testimonies);
  if (newest.length === 0 || !isNewerThanBackup(newest[0]!, row, hub)) return { verdict: 'as-backup' };
  const live = newest.find(({ body }) => body !== null);
  if (live) {
    const changes = tighteningOf(row, live.body as Body<'agent-key'>);
    return changes ? { verdict: 'tightened', changes } : { verdict: 'as-backup' };
  }
  const buriedIn = testimonies.filter((one) => one.body === null && isNewerThanBackup(one, row, hub));
  if (buriedIn.some(({ region }) => cluster.liveIn.includes(region))) return { verdict: 'revoked' };
  return { verdict: cluster.gone ? 'gone-with-cluster' : 'doubtful' };
}

function tighteningOf(row: KeyRow, held: Body<'agent-key'>): KeyChanges | undefined {
  const changes: KeyChanges = {};
  if (row.status === 'active' && held.status === 'disabled') changes.status = 'disabled';
  const end = held.expiresAtMs ?? Number.POSITIVE_INFINITY;
  if (end < (row.expiresAtMs ?? Number.POSITIVE_INFINITY)) changes.expiresAtMs = end;
  const permissions = row.permissions.filter((one) => held.permissions.includes(one));
  if (permissions.length < row.permissions.length) changes.permissions = permissions;
  const secrets = secretsOf(held);
  // A publisher that does not know of a key's bounds tells of no secret.
  if (secrets.present !== noVerifier && JSON.stringify(secrets) !== JSON.stringify(secretsOf(row)))
    changes.secrets = secrets;
  if (held.allowedNetworks && row.allowedNetworks) {
    const common = commonNetworks(row.allowedNetworks, held.allowedNetworks);
    if (
      common.length < row.allowedNetworks.length ||
      !row.allowedNetworks.every((one) => common.includes(one))
    )
      changes.allowedNetworks = common;
  } else if (held.allowedNetworks) changes.allowedNetworks = held.allowedNetworks;
  const rate = slowerRate(row.rateLimit, held.rateLimit);
  if (rate) changes.rateLimit = rate;
  return Object.keys(changes).length > 0 ? changes : undefined;
}

function secretsOf({ verifier, verifiers }: Bounds): NonNullable<KeyChanges['secrets']> {
  if (verifiers === undefined) return { present: verifier, retiring: [] };
  const [present, ...others] = verifiers;
  const retiring = others.map((one) => ({ verifier: one.verifier, endsAtMs: one.endsAtMs ?? 0 }));
  return { present: present!.verifier, retiring };
}

/** What is in both lists: of two networks one is in the other, or they have nothing in common. */
function commonNetworks(some: readonly string[], others: readonly string[]): string[] {
  const within = (list: readonly string[]) => (inner: string) => list.some((outer) => covers(outer, inner));
  return [...new Set([...some.filter(within(others)), ...others.filter(within(some))])];
}

/** The limit that the row is to have, if the one that is held grants less in some way. */
function slowerRate(row: Bounds['rateLimit'], held: Bounds['rateLimit']): KeyChanges['rateLimit'] {
  if (held === undefined) return undefined;
  const limit = Math.min(row?.limit ?? Number.POSITIVE_INFINITY, held.limit);
  const windowMs = Math.max(row?.windowMs ?? 0, held.windowMs);
  return limit === row?.limit && windowMs === row.windowMs ? undefined : { limit, windowMs };
}

export type ThingVerdict =
  | { verdict: 'as-backup' }
  /** Disabled or suspended since. */
  | { verdict: 'denied' }
  /** No region is to hold it any more: it was deleted, or nothing of it is placed anywhere. */
  | { verdict: 'gone' };

/** A cluster or a tenant: both are denied by a status that is not `active`. */
export function judgeThing(
  row: { revision: number; status: string },
  testimonies: readonly Testimony[],
  hub: HubState,
): ThingVerdict {
  const newest = newestOf(testimonies);
  if (newest.length === 0 || !isNewerThanBackup(newest[0]!, row, hub)) return { verdict: 'as-backup' };
  const live = newest.find(({ body }) => body !== null);
  if (!live) return { verdict: 'gone' };
  const isDenied = (live.body as { status: string }).status !== 'active';
  return { verdict: isDenied && row.status === 'active' ? 'denied' : 'as-backup' };
}

export function whereaboutsOf(
  row: { revision: number },
  testimonies: readonly Testimony[],
  hub: HubState,
): ClusterWhereabouts {
  const newest = newestOf(testimonies);
  const liveIn = newest.filter(({ body }) => body !== null).map(({ region }) => region);
  const gone = newest.length > 0 && liveIn.length === 0 && isNewerThanBackup(newest[0]!, row, hub);
  return { liveIn, gone };
}
