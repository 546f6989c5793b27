import { type KindName, refText } from '../../../contexts/kinds/index.ts';
import type { Change } from '../../../hub/db/outbox.ts';
import type { Rows, Transaction } from './database.ts';

/** What hub/db/migrations/0001_capture.sql does in triggers, line by line: heads, holdings, outbox. */
export interface CaptureContext {
  tx: Transaction;
  nowMs: number;
  regions: readonly string[];
  /** A planted bug: what is deleted keeps the revision it had. */
  deletionsKeepRevision: boolean;
}

const dayMs = 86_400_000;

/** `touch_heads`: the revision is drawn after the head's lock is held. `deleted` null leaves the flag. */
export function touchHead(
  context: CaptureContext,
  kind: KindName,
  key: string,
  deleted: boolean | null,
): void {
  const { tx, deletionsKeepRevision } = context;
  const name = refText({ kind, key });
  tx.lock('heads', name, 'update');
  const head = tx.get('heads', name);
  const keeps = deleted === true && head !== undefined && deletionsKeepRevision;
  const revision = keeps ? head.revision : tx.nextRevision();
  tx.write('heads', name, { kind, key, revision, deleted: deleted ?? head?.deleted ?? false, xid: 0 });
  tx.write('heads', name, { ...tx.get('heads', name)!, xid: tx.xid! });
}

export function addToOutbox(
  { tx, nowMs }: CaptureContext,
  row: Pick<Change, 'kind' | 'key' | 'regions' | 'cause' | 'tightens'>,
): void {
  const id = tx.nextOutboxId();
  const unclaimed = { claimedBy: null, claimedUntilMs: 0 };
  tx.write('outbox', String(id), { ...row, id, createdAtMs: nowMs, fences: [], ...unclaimed });
}

export function regionsOf(
  { tx, nowMs }: CaptureContext,
  of: { cluster: string } | { tenant: string },
): string[] {
  const lately = tx
    .all('holdings')
    .filter((row) => ('cluster' in of ? row.clusterId === of.cluster : row.tenantId === of.tenant))
    .filter((row) => row.untilMs === null || row.untilMs > nowMs - dayMs)
    .map((row) => row.region);
  return [...new Set(lately)].sort();
}

export const placementKey = (clusterId: string, region: string) => `${clusterId}@${region}`;

export function writeTenant(context: CaptureContext, id: string, row: Rows['tenants'] | null): void {
  const { tx } = context;
  const old = tx.get('tenants', id);
  if (row === null) {
    tx.write('tenants', id, null);
    for (const cluster of tx.all('clusters')) {
      if (cluster.tenantId === id) writeCluster(context, cluster.id, null);
    }
  } else tx.write('tenants', id, row, old ? 'no key update' : 'update');
  const tightens = row === null || (old?.status === 'active' && row.status !== 'active');
  touchHead(context, 'tenant', id, row === null);
  addToOutbox(context, {
    kind: 'tenant',
    key: id,
    regions: regionsOf(context, { tenant: id }),
    cause: 'row',
    tightens,
  });
}

export function writeCluster(context: CaptureContext, id: string, row: Rows['clusters'] | null): void {
  const { tx } = context;
  const old = tx.get('clusters', id);
  if (row === null) {
    tx.write('clusters', id, null);
    for (const placement of tx.all('placements')) {
      if (placement.clusterId === id) writePlacement(context, id, placement.region, null);
    }
    for (const key of tx.all('agentKeys')) {
      if (key.clusterId === id) writeAgentKey(context, key.id, null);
    }
  } else {
    if (!old) tx.lock('tenants', row.tenantId, 'key share');
    tx.write('clusters', id, row, old ? 'no key update' : 'update');
  }
  const tightens = row === null || (old?.status === 'active' && row.status !== 'active');
  touchHead(context, 'cluster', id, row === null);
  addToOutbox(context, {
    kind: 'cluster',
    key: id,
    regions: regionsOf(context, { cluster: id }),
    cause: 'row',
    tightens,
  });
}

export function writeAgentKey(context: CaptureContext, id: string, row: Rows['agentKeys'] | null): void {
  const { tx } = context;
  const old = tx.get('agentKeys', id);
  const clusterId = (row ?? old)!.clusterId;
  let regions: readonly string[];
  if (row === null) {
    tx.write('agentKeys', id, null);
    touchHead(context, 'agent-key', id, true);
    regions = regionsOfDeletedKey(context, clusterId);
  } else {
    if (!old) tx.lock('clusters', clusterId, 'key share');
    tx.write('agentKeys', id, row, old ? 'no key update' : 'update');
    touchHead(context, 'agent-key', id, false);
    regions = regionsOf(context, { cluster: clusterId });
  }
  const tightens =
    row === null ||
    (old !== undefined &&
      ((old.status === 'active' && row.status !== 'active') ||
        old.verifier !== row.verifier ||
        (row.expiresAtMs ?? Number.POSITIVE_INFINITY) < (old.expiresAtMs ?? Number.POSITIVE_INFINITY)));
  addToOutbox(context, { kind: 'agent-key', key: id, regions, cause: 'row', tightens });
}

/** `for share skip locked`: where the cluster's placements are being changed, every region is told. */
function regionsOfDeletedKey(context: CaptureContext, clusterId: string): readonly string[] {
  const { tx, regions } = context;
  if (!tx.get('clusters', clusterId)) return regionsOf(context, { cluster: clusterId });
  if (!tx.isFree('clusters', clusterId, 'share')) return regions;
  tx.lock('clusters', clusterId, 'share');
  return regionsOf(context, { cluster: clusterId });
}

export function writePlacement(
  context: CaptureContext,
  clusterId: string,
  region: string,
  row: Rows['placements'] | null,
): void {
  const { tx, nowMs } = context;
  const name = placementKey(clusterId, region);
  const old = tx.get('placements', name);
  tx.write('placements', name, row);
  const held = tx.get('holdings', name);
  if (row === null) {
    if (held) tx.write('holdings', name, { ...held, untilMs: nowMs, settled: false });
  } else if (!old) {
    tx.lock('clusters', clusterId, 'no key update');
    const { tenantId } = tx.get('clusters', clusterId)!;
    tx.write('holdings', name, { clusterId, region, tenantId, untilMs: null, settled: false });
  }
  touchHead(context, 'cluster', clusterId, null);
  addToOutbox(context, {
    kind: 'cluster',
    key: clusterId,
    regions: regionsOf(context, { cluster: clusterId }),
    cause: row !== null && old ? 'row' : 'placement',
    tightens: row === null,
  });
}
