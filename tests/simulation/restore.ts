import { kindNames, refText } from '../../contexts/kinds/index.ts';
import { decodeVersion, encodeVersion } from '../../contexts/revision.ts';
import { type Evidence, evidenceOf, type Testimony, type Witness } from '../../hub/promotion/evidence.ts';
import { judgeKey, judgeThing, type KeyChanges, whereaboutsOf } from '../../hub/promotion/judge.ts';
import { keyCount, keyId } from './edits.ts';
import { writeAgentKey, writeCluster, writePlacement, writeTenant } from './hub/capture.ts';
import type { Rows, Table, Transaction } from './hub/database.ts';
import type { SimulatedHub } from './hub/hub.ts';
import type { SimulatedRegion } from './region.ts';
import type { Fact, Truth } from './truth.ts';

/** A copy of the hub's database, and of what was true when it was made. */
export interface Backup {
  tables: { [Name in Table]: Map<string, Rows[Name]> };
  revision: number;
  marks: ReadonlyMap<string, ReturnType<SimulatedHub['lastMark']>>;
  truth: ReturnType<Truth['copy']>;
}

export function backUp(hub: SimulatedHub, truth: Truth): Backup {
  const tables = Object.fromEntries(
    Object.entries(hub.database.committed).map(([name, rows]) => [name, new Map(rows as Map<string, never>)]),
  ) as unknown as Backup['tables'];
  const marks = new Map(hub.regions.map((region) => [region, hub.lastMark(region)]));
  return { tables, revision: hub.database.revision, marks, truth: truth.copy() };
}

export interface RestoreParts {
  hub: SimulatedHub;
  truth: Truth;
  regions: readonly SimulatedRegion[];
  nowMs: number;
  /** Undefined but where a test plants the mistake. */
  importsNothing?: boolean | undefined;
}

/**
 * The hub's database is as it was, and its epoch is promoted as `spokecast hub promote-epoch` does: the regions are
 * read and judged by the production code, what they know of revocations is imported, and the new epoch is claimed.
 * Returns what is wrong with it: a key that was revoked, as every region knew, and that works again.
 */
export async function restore(backup: Backup, parts: RestoreParts): Promise<string[]> {
  const { hub, truth, regions, nowMs } = parts;
  const revoked = revokedEverywhere(backup, parts);
  for (const [name, rows] of Object.entries(backup.tables)) {
    const table = hub.database.committed[name as Table] as Map<string, unknown>;
    table.clear();
    for (const [key, row] of rows as Map<string, unknown>) table.set(key, row);
  }
  hub.restoreMarks(backup.marks);
  truth.become(backup.truth);
  const runFirst =
    1 + Math.max(0, ...[...hub.database.committed.heads.values()].map((head) => head.revision));
  const seen = regions
    .map(({ table }) => decodeVersion(table.identity?.highWater ?? ''))
    .filter((one) => one);
  hub.database.revision = Math.max(backup.revision, ...seen.map((one) => one!.revision));

  const facts = parts.importsNothing ? [] : await judged(hub, regions, runFirst);
  hub.database.transact((tx) => {
    for (const change of facts) for (const fact of change(tx)) truth.apply(fact);
    hub.epoch = 1 + Math.max(hub.epoch, ...seen.map((one) => one!.epoch));
  });
  const claim = encodeVersion({ epoch: hub.epoch, revision: 1, schemaVersion: 1 });
  for (const { store } of regions) await store.raiseHighWater(claim);
  return revoked
    .flatMap((key) => hub.regions.map((region) => ({ key, region })))
    .filter(({ key, region }) => truth.decision(region, key, nowMs) === 'granted')
    .map(
      ({ key, region }) => `restore: ${key} was revoked, as every region knew, and works again in ${region}`,
    );
}

/** Keys of the backup that are gone or denied by now, and that each region which the backup places them in denies. */
function revokedEverywhere(backup: Backup, { truth, regions }: RestoreParts): string[] {
  const before = truth.copy();
  return Array.from({ length: keyCount }, (_, n) => keyId(n)).filter((key) => {
    const row = backup.truth.keys.get(key);
    const placed = row && backup.truth.placements.get(row.clusterId);
    if (!row || !placed || placed.size === 0) return false;
    const now = before.keys.get(key);
    if (now && now.status === 'active') return false;
    return regions
      .filter(({ id }) => placed.has(id))
      .every(({ table }) => {
        const item = table.raw({ kind: 'agent-key', key });
        const version = decodeVersion(`${item?.version}`);
        if (!item || !version || version.revision <= headOf(backup, key)) return false;
        const { bodyText } = item;
        return typeof bodyText !== 'string' || !bodyText.includes('"status":"active"');
      });
  });
}

function headOf(backup: Backup, key: string): number {
  return backup.tables.heads.get(refText({ kind: 'agent-key', key }))?.revision ?? 0;
}

type Change = (tx: Transaction) => Fact[];

async function judged(
  hub: SimulatedHub,
  regions: readonly SimulatedRegion[],
  runFirst: number,
): Promise<Change[]> {
  const state = { epoch: hub.epoch, runFirst };
  const witnesses: Witness[] = regions.map(({ id, store, table }) => ({
    ...{ id, store, identity: table.identity!, confirmed: false },
  }));
  const known = new Map<string, readonly Testimony[]>();
  for (const kind of kindNames) {
    const evidence: AsyncIterable<Evidence> = evidenceOf(kind, witnesses, {
      hub: state,
      onUnexplained: () => {},
    });
    for await (const { key, testimonies } of evidence) known.set(refText({ kind, key }), testimonies);
  }
  const { tenants, clusters, agentKeys, placements, heads } = hub.database.committed;
  const of = (ref: string) => ({ revision: heads.get(ref)!.revision, testimonies: known.get(ref) ?? [] });
  const changes: Change[] = [];
  for (const row of tenants.values()) {
    const { revision, testimonies } = of(`tenant/${row.id}`);
    if (judgeThing({ revision, status: row.status }, testimonies, state).verdict !== 'denied') continue;
    const { id, ...rest } = { ...row, status: 'suspended' as const };
    changes.push((tx) => {
      writeTenant(hub.capture(tx), id, { id, ...rest });
      return [{ thing: 'tenant', id, is: rest }];
    });
  }
  const whereabouts = new Map<string, ReturnType<typeof whereaboutsOf>>();
  for (const row of clusters.values()) {
    const { revision, testimonies } = of(`cluster/${row.id}`);
    whereabouts.set(row.id, whereaboutsOf({ revision }, testimonies, state));
    const { verdict } = judgeThing({ revision, status: row.status }, testimonies, state);
    if (verdict === 'as-backup') continue;
    const { id, ...rest } = { ...row, status: 'disabled' as const };
    changes.push((tx) => {
      writeCluster(hub.capture(tx), id, { id, ...rest });
      return [{ thing: 'cluster', id, is: rest }];
    });
    if (verdict !== 'gone') continue;
    for (const { clusterId, region } of placements.values()) {
      if (clusterId !== id) continue;
      changes.push((tx) => {
        writePlacement(hub.capture(tx), id, region, null);
        return [{ thing: 'placement', id, region, is: undefined }];
      });
    }
  }
  for (const row of agentKeys.values()) {
    const { revision, testimonies } = of(`agent-key/${row.id}`);
    const where = whereabouts.get(row.clusterId) ?? { liveIn: [], gone: false };
    const verdict = judgeKey({ ...row, revision, permissions: [] }, testimonies, where, state);
    if (verdict.verdict === 'as-backup') continue;
    if (verdict.verdict === 'revoked')
      changes.push((tx) => {
        writeAgentKey(hub.capture(tx), row.id, null);
        return [{ thing: 'agent-key', id: row.id, is: undefined }];
      });
    else
      changes.push(
        tightened(hub, row, verdict.verdict === 'tightened' ? verdict.changes : { status: 'disabled' }),
      );
  }
  return changes;
}

function tightened(hub: SimulatedHub, row: Rows['agentKeys'], changes: KeyChanges): Change {
  const { status = row.status, expiresAtMs = row.expiresAtMs } = changes;
  const verifier = changes.secrets?.present ?? row.verifier;
  const { id, ...is } = { ...row, status, expiresAtMs, verifier };
  return (tx) => {
    writeAgentKey(hub.capture(tx), id, { id, ...is });
    return [{ thing: 'agent-key', id, is: { ...is, secret: hub.secretOf(verifier) } }];
  };
}
