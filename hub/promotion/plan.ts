import { mergeJoin, oneByOne } from '../../contexts/base/merge-join.ts';
import { refText } from '../../contexts/kinds/index.ts';
import type { Queryable } from '../db/client.ts';
import { type Evidence, evidenceOf, newestOf, type Testimony, type Witness } from './evidence.ts';
import {
  type ClusterWhereabouts,
  type HubState,
  judgeKey,
  judgeThing,
  type KeyChanges,
  whereaboutsOf,
} from './judge.ts';
import { clusterRows, keyRows, type ThingRow, tenantRows } from './rows.ts';

/**
 * One thing that the regions know and the backup does not, and what is done about it. What was deleted before the
 * backup and is kept for an undelete is tightened where it is kept: the regions may have seen it come back since.
 */
export type Import =
  | { action: 'delete-key'; id: string; name: string }
  | { action: 'disable-key'; id: string; name: string; why: 'doubtful' | 'gone-with-cluster' }
  | { action: 'tighten-key'; id: string; name: string; changes: KeyChanges }
  | { action: 'disable-cluster'; id: string; name: string; why: 'denied' | 'doubtful' }
  /** Disabled, and its placements removed: it was deleted or placed nowhere, and its row is kept for a person. */
  | { action: 'withdraw-cluster'; id: string; name: string }
  | { action: 'suspend-tenant'; id: string; name: string };

export interface Findings {
  imports: Import[];
  /** Live in regions and unknown to the backup, or deleted in it: made since. The next sweeps bury them. */
  made: string[];
  /** Tenants that left every region: deleted, or nothing of theirs is placed any more. Left as the backup has them. */
  left: { id: string; name: string }[];
  /** Items that prove nothing, as `region: kind/key: why`. */
  unexplained: string[];
  contextsRead: number;
}

export interface FindOptions {
  db: Queryable;
  hub: HubState;
  witnesses: readonly Witness[];
  /** Some region could not be asked: a cluster that is gone from all others may have been moved there. */
  incomplete: boolean;
  onProgress(contextsRead: number): void;
}

/**
 * Reads what every region holds and every row of the hub beside it, both in key order, and finds what was revoked
 * since the backup. Changes nothing. In memory at once: one item a region, where each cluster is, and the findings.
 */
export async function findImports(options: FindOptions): Promise<Findings> {
  const { db, hub } = options;
  const found: Findings = { imports: [], made: [], left: [], unexplained: [], contextsRead: 0 };
  const whereabouts = new Map<string, ClusterWhereabouts>();

  for await (const { row, testimonies } of joined('tenant', tenantRows(db), options, found)) {
    const { verdict } = judgeThing(row, testimonies, hub);
    const { id, name, kept } = row;
    if (verdict === 'denied') found.imports.push({ action: 'suspend-tenant', id, name });
    if (verdict === 'gone' && !kept) found.left.push({ id, name });
  }
  for await (const { row, testimonies } of joined('cluster', clusterRows(db), options, found)) {
    whereabouts.set(row.id, whereaboutsOf(row, testimonies, hub));
    const action = clusterImport(row, testimonies, options);
    if (action) found.imports.push(action);
  }
  for await (const { row, testimonies } of joined('agent-key', keyRows(db), options, found)) {
    const { id, name } = row;
    const judged = judgeKey(
      row,
      testimonies,
      whereabouts.get(row.clusterId) ?? { liveIn: [], gone: false },
      hub,
    );
    if (judged.verdict === 'revoked') found.imports.push({ action: 'delete-key', id, name });
    if (judged.verdict === 'tightened')
      found.imports.push({ action: 'tighten-key', id, name, changes: judged.changes });
    if (judged.verdict === 'doubtful' || judged.verdict === 'gone-with-cluster') {
      if (row.status === 'active')
        found.imports.push({ action: 'disable-key', id, name, why: judged.verdict });
    }
  }
  return found;
}

function clusterImport(
  row: ThingRow,
  testimonies: readonly Testimony[],
  { hub, incomplete }: FindOptions,
): Import | undefined {
  const { id, name } = row;
  switch (judgeThing(row, testimonies, hub).verdict) {
    case 'denied':
      return { action: 'disable-cluster', id, name, why: 'denied' };
    case 'gone':
      if (!incomplete && !row.kept) return { action: 'withdraw-cluster', id, name };
      return row.status === 'active' ? { action: 'disable-cluster', id, name, why: 'doubtful' } : undefined;
    case 'as-backup':
      return undefined;
  }
}

/** Rows with their evidence; what is live without a row of the hub's is noted as made since the backup. */
async function* joined<Row extends { id: string; kept: boolean }>(
  kind: 'tenant' | 'cluster' | 'agent-key',
  rows: AsyncIterable<Row>,
  { witnesses, hub, onProgress }: FindOptions,
  found: Findings,
): AsyncGenerator<{ row: Row; testimonies: readonly Testimony[] }> {
  const evidence = evidenceOf(kind, witnesses, {
    hub,
    onUnexplained: (ref, region, why) => found.unexplained.push(`${region}: ${refText(ref)}: ${why}`),
  });
  for await (const { left, right } of oneByOne(mergeJoin(keyed(rows), singly(evidence)))) {
    found.contextsRead += 1;
    if (found.contextsRead % 1000 === 0) onProgress(found.contextsRead);
    if (right && isLive(right) && (left === undefined || left.row.kept))
      found.made.push(refText({ kind, key: right.key }));
    if (left) yield { row: left.row, testimonies: right?.testimonies ?? [] };
  }
}

async function* keyed<Row extends { id: string }>(rows: AsyncIterable<Row>) {
  for await (const row of rows) yield [{ key: row.id, row }];
}

async function* singly<Item>(items: AsyncIterable<Item>) {
  for await (const item of items) yield [item];
}

function isLive({ testimonies }: Evidence): boolean {
  return newestOf(testimonies).some(({ body }) => body !== null);
}
