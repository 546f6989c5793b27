import type { Store } from '../../contexts/store.ts';
import { countContexts, draftRange } from '../../hub/db/builders/index.ts';
import type { SeedingCursor, SweepCounts } from '../../hub/db/schema.ts';
import {
  beginSeeding,
  finishSeeding,
  lostTombstones,
  noteSeedingTrouble,
  reportSeeding,
  type SeedingState,
} from '../../hub/db/seedings.ts';
import { RegionFrozenError } from '../guard.ts';
import type { PublisherPort } from '../publish.ts';
import { runSweep, type SweepContext, type SweepParts } from '../run-sweep.ts';
import { Fill, type FillPosition } from './fill.ts';

/** A page of the hub's rows; progress is written down after each. */
const pageRows = 500;
/** Sweeps of one attempt; a region in which each finds something is looked at by a person. */
const sweepsMax = 5;

/**
 * One seeding, from where it stands to its end: *filling* (a table that was just made, without comparing; any other
 * table is left to the sweep) -> *checking* (sweeps, until one finds no difference) -> finished, and a new region is
 * active. Every step is written down, so that any publisher can go on with it; doing a step again is safe.
 */
export async function runSeeding(
  parts: SweepParts,
  region: string,
  id: string,
  context: SweepContext & { hub: PublisherPort },
): Promise<void> {
  const { db, clock, log } = parts;
  const seeding = await beginSeeding(db, id);
  if (!seeding) return;
  const startedAt = clock.monotonic();
  log.info({ region, seeding: id, cause: seeding.cause, again: seeding.begun }, 'seeding begins');
  try {
    await fill(parts, region, id, seeding, context);
    await check(parts, region, id, seeding, context);
    await finishSeeding(db, id);
    const durationMs = Math.round(clock.monotonic() - startedAt);
    log.info({ region, seeding: id, durationMs }, 'seeding finished: the region holds everything');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    await noteSeedingTrouble(db, id, reason).catch(() => {}); // it is due again in any case
    log.error({ region, seeding: id, err: error }, 'seeding failed; it is tried again');
    throw error;
  }
}

async function fill(
  { db, clock, config, freezes }: SweepParts,
  region: string,
  id: string,
  seeding: SeedingState,
  { store, hub, signal }: SweepContext & { hub: PublisherPort },
): Promise<void> {
  const incarnation = await incarnationOf(store);
  // Somebody suspects the table: until it is verified again, absence denies nobody.
  if (seeding.cause === 'requested' && !seeding.begun) await store.setWhole(incarnation, false);
  const total = await countContexts(db, region);
  await reportSeeding(db, id, { phase: 'filling', total });
  if (seeding.fresh !== incarnation) return;
  const from = seeding.cursor?.incarnation === incarnation ? toPosition(seeding.cursor) : undefined;
  const before = from ? seeding.filled : 0;
  const work = new Fill({
    store,
    hub: {
      ...hub,
      range: (kind, after, limit) => draftRange(db, region, kind, { after, limit }, clock),
      // Asked before each page: filling lets people in, which either freeze stops.
      checkRun: async () => {
        if (freezes.modeOf(region)) throw new RegionFrozenError();
        await hub.checkRun();
      },
    },
    clock,
    pageRows,
    concurrency: config.seedConcurrency,
    snapshotAgeMaxMs: 60_000,
    onProgress: (position, filled) =>
      reportSeeding(db, id, {
        phase: 'filling',
        cursor: { incarnation, ...position },
        filled: before + filled,
      }),
  });
  await work.run(from, signal);
  if (seeding.cause !== 'added')
    await work.bury(await lostTombstones(db, region, config.tombstoneRetentionMs), signal);
}

/** The first sweep knows of nothing that was announced before, and so announces all there is. */
async function check(
  parts: SweepParts,
  region: string,
  id: string,
  seeding: SeedingState,
  context: SweepContext,
): Promise<void> {
  const { db } = parts;
  let found = 0;
  for (let attempt = 1; attempt <= sweepsMax; attempt++) {
    const sweeps = seeding.sweeps + attempt;
    await reportSeeding(db, id, { phase: 'checking', checked: 0, sweeps });
    const counts = await runSweep(parts, region, { cause: 'seeding' }, context, {
      announceAll: sweeps === 1,
      onProgress: ({ scanned }) => reportSeeding(db, id, { phase: 'checking', checked: scanned }),
    });
    found = differences(counts);
    if (found === 0) return;
  }
  throw new Error(
    `${sweepsMax} sweeps in a row found differences, the last ${found}: see GET /v1/sweeps?region=${region} and who else writes to the table`,
  );
}

function differences({ missing, stale, corrupt, orphan, ahead }: SweepCounts): number {
  return missing + stale + corrupt + orphan + ahead;
}

async function incarnationOf(store: Store): Promise<string> {
  const found = await store.readIdentity();
  if (found.outcome !== 'identity')
    throw new Error(
      `the region's store has no identity (${found.outcome}); it is made when the region opens`,
    );
  return found.identity.incarnation;
}

function toPosition({ kind, after }: SeedingCursor): FillPosition {
  return { kind: kind as FillPosition['kind'], after };
}
