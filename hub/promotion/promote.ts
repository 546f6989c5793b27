import { eq, sql } from 'drizzle-orm';
import { type Clock, systemClock } from '../../contexts/base/clock.ts';
import { type Random, systemRandom } from '../../contexts/base/random.ts';
import { decodeVersion, epochMax } from '../../contexts/revision.ts';
import { checkOwner, type Store, StoreError } from '../../contexts/store.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import type { DatabaseAddress } from '../db/address.ts';
import { applicationKeys } from '../db/application-key-table.ts';
import { connect, type Db } from '../db/client.ts';
import { whileLocked } from '../db/lock.ts';
import { checkMigrated } from '../db/migrate.ts';
import { runState } from '../db/runs.ts';
import { regions } from '../db/schema.ts';
import { hubHighWater } from '../db/sweeps.ts';
import { applyPromotion, PromotionOvertakenError } from './apply.ts';
import type { Witness } from './evidence.ts';
import { type Findings, findImports } from './plan.ts';
import { RegionsUnreachableError } from './unreachable.ts';

export type { Import } from './plan.ts';

/**
 * The hub's Postgres was restored from a backup (or failed over to a standby that lacked the last commits), and the
 * regions remember more than it. Promotion makes the hub's writes count as newer again, without forgetting what was
 * revoked meanwhile. docs/operations.md tells when to run it, docs/adr/0013-restore.md why it does what it does.
 */
export interface PromotionRequest {
  database: string | DatabaseAddress;
  environment: string;
  /** Regions to go on without: whatever was revoked and is known there alone comes back to life. */
  without: readonly string[];
  dryRun: boolean;
  /** Promote although no region is ahead. */
  force: boolean;
  storeTimeoutMs: number;
  onProgress(contextsRead: number): void;
}

export type RegionReport = { id: string } & (
  | { state: 'ahead' | 'not-ahead'; highWater: string | null }
  | { state: 'empty' }
  /** It was asked to be left out, or could not be asked. */
  | { state: 'left-out'; why: string }
);

export interface PromotionReport {
  outcome: 'nothing-to-do' | 'planned' | 'promoted';
  epoch: { from: number; to: number };
  regions: RegionReport[];
  findings: Findings | null;
  /** Application keys that work now: as the backup has them, for no region knows what was revoked since. */
  applicationKeysActive: number;
}

export interface PromotionParts {
  clock: Clock;
  random: Random;
  openStore?(address: { endpoint: string | null; awsRegion: string | null; table: string }): Store;
}

/** One promotion at a time per database, whoever runs it. The number is arbitrary and ours. */
const promotionLock = 7_265_310_046;

/**
 * Safe to repeat, to interrupt at any point, and to run while hubs, publishers and gateways run.
 * @throws RegionsUnreachableError, PromotionOvertakenError, SchemaError, or an Error in words for people.
 */
export async function promoteEpoch(
  request: PromotionRequest,
  parts: PromotionParts = { clock: systemClock, random: systemRandom },
): Promise<PromotionReport> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(
    connect(request.database, { applicationName: 'spokecast promote-epoch', max: 4 }),
  );
  await checkMigrated(database);
  const promoted = await whileLocked(database.sql, { key: promotionLock, patience: 'give-up' }, () =>
    promoteLocked(database.db, request, parts, stack),
  );
  if (promoted === 'taken')
    throw new PromotionOvertakenError('another promotion of this hub is at work: wait until it has ended');
  return promoted.result;
}

async function promoteLocked(
  db: Db,
  request: PromotionRequest,
  parts: PromotionParts,
  stack: AsyncDisposableStack,
): Promise<PromotionReport> {
  const { epoch, run, runFirst } = await runState(db, '');
  const { hubId, revision: drawn } = await hubHighWater(db);
  const { witnesses, reports } = await askRegions(db, { ...request, hubId }, parts, stack);
  const ahead = (witness: Witness) => {
    const seen = decodeVersion(witness.identity.highWater);
    if (!seen || seen.epoch !== epoch) return seen !== undefined && seen.epoch > epoch;
    return seen.revision > drawn || (!witness.confirmed && seen.revision >= runFirst);
  };
  for (const witness of witnesses)
    reports.push({
      id: witness.id,
      state: ahead(witness) ? 'ahead' : 'not-ahead',
      highWater: witness.identity.highWater,
    });
  reports.sort((a, b) => (a.id < b.id ? -1 : 1));

  const marks = witnesses.map(
    ({ identity }) => decodeVersion(identity.highWater) ?? { epoch: 0, revision: 0 },
  );
  const to = Math.max(epoch, ...marks.map((mark) => mark.epoch)) + 1;
  if (to > epochMax) throw new Error(`a region has seen epoch ${to - 1}, the last there is`);
  const report = {
    epoch: { from: epoch, to },
    regions: reports,
    applicationKeysActive: await countApplicationKeys(db),
  };
  if (!witnesses.some(ahead) && !request.force)
    return { outcome: 'nothing-to-do', findings: null, ...report };

  const leftOut = reports.filter(({ state }) => state === 'left-out').map(({ id }) => id);
  const isSilent = ({ state }: RegionReport) => state === 'left-out' || state === 'empty';
  const findings = await findImports({
    db,
    hub: { epoch, runFirst },
    witnesses,
    incomplete: reports.some(isSilent),
    onProgress: request.onProgress,
  });
  if (request.dryRun) return { outcome: 'planned', findings, ...report };
  const highest = Math.max(0, ...marks.map((mark) => mark.revision));
  const { imports } = findings;
  await applyPromotion(
    db,
    { hubId, from: epoch, to, run, revision: highest, imports, without: leftOut },
    witnesses,
    parts,
  );
  return { outcome: 'promoted', findings, ...report };
}

/** Disabled regions too: their tables remember as well, and may be published to again. */
async function askRegions(
  db: Db,
  request: PromotionRequest & { hubId: string },
  parts: PromotionParts,
  stack: AsyncDisposableStack,
): Promise<{ witnesses: Witness[]; reports: RegionReport[] }> {
  const rows = await db.select().from(regions).orderBy(regions.id);
  const unknown = request.without.filter((id) => !rows.some((row) => row.id === id));
  if (unknown.length > 0)
    throw new Error(`--without names regions the hub does not know: ${unknown.join(', ')}`);
  const { clock, random } = parts;
  const openStore =
    parts.openStore ??
    (({ endpoint, awsRegion, table }) =>
      DynamoStore.connect({
        table,
        endpoint: endpoint ?? undefined,
        awsRegion: awsRegion ?? undefined,
        requestTimeoutMs: request.storeTimeoutMs,
        connectionTimeoutMs: request.storeTimeoutMs,
        ...{ clock, random },
      }));
  const witnesses: Witness[] = [];
  const reports: RegionReport[] = [];
  const unreachable: { id: string; why: string }[] = [];
  await Promise.all(
    rows.map(async (row) => {
      const { id } = row;
      if (request.without.includes(id)) {
        reports.push({ id, state: 'left-out', why: '--without' });
        return;
      }
      const { storeEndpoint: endpoint, storeAwsRegion: awsRegion, storeTable: table } = row;
      const store = stack.use(openStore({ endpoint, awsRegion, table }));
      try {
        const found = await store.readIdentity();
        if (found.outcome !== 'identity') {
          reports.push({ id, state: 'empty' });
          return;
        }
        checkOwner(found.identity, { environment: request.environment, region: id, hubId: request.hubId });
        const { confirmed } = await runState(db, id);
        witnesses.push({ id, store, identity: found.identity, confirmed });
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        unreachable.push({ id, why: error.message });
      }
    }),
  );
  if (unreachable.length > 0)
    throw new RegionsUnreachableError(unreachable.sort((a, b) => (a.id < b.id ? -1 : 1)));
  return { witnesses, reports };
}

async function countApplicationKeys(db: Db): Promise<number> {
  const [row] = await db
    .select({ count: sql<number>`count(*)::int` })
    .from(applicationKeys)
    .where(eq(applicationKeys.status, 'active'));
  return row!.count;
}
