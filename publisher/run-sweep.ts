import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import type { Random } from '../contexts/base/random.ts';
import { newId } from '../contexts/ids.ts';
import { refText } from '../contexts/kinds/index.ts';
import type { Store } from '../contexts/store.ts';
import { buildContexts, draftRange } from '../hub/db/builders/index.ts';
import { recallPlacements } from '../hub/db/cascade.ts';
import type { Db } from '../hub/db/client.ts';
import { notifyProgress } from '../hub/db/fences.ts';
import { concludeHolds } from '../hub/db/holds.ts';
import { drawRevisions, freshRevision, outrankRevision } from '../hub/db/outbox.ts';
import type { SweepCounts } from '../hub/db/schema.ts';
import {
  beginSweep,
  changedSince,
  completeSweep,
  currentMark,
  failSweep,
  hubHighWater,
  hubNow,
  lastMark,
  lastSweepAgeMs,
  noCounts,
  reportSweep,
} from '../hub/db/sweeps.ts';
import { checkNotAhead } from './ahead.ts';
import type { PublisherConfig } from './config.ts';
import type { Freezes } from './freezes.ts';
import { RegionFrozenError } from './guard.ts';
import type { SweepJob } from './jobs.ts';
import type { PublisherMetrics } from './metrics.ts';
import type { Publisher } from './publish.ts';
import { Sweep } from './sweep/sweep.ts';

/** Contexts a sweep names as held back; with more of them it proves nothing of any fence. */
const heldBackMax = 1000;
/**
 * Rows the hub is asked for at a time. Planning the query costs as much as some five hundred of them, and a page twice
 * as long saves little more.
 */
const pageRows = 4000;

export interface SweepParts {
  db: Db;
  clock: Clock;
  random: Random;
  log: Logger;
  metrics: PublisherMetrics;
  config: PublisherConfig;
  freezes: Freezes;
}

export interface SweepContext {
  store: Store;
  publisher: Publisher;
  signal: AbortSignal;
}

/**
 * Where a context was held is known for a day after it left. A sweep that follows the last one so soon can rely on it,
 * and passes by what changed in other regions alone; a later one announces again all that changed.
 */
const holdingsKnownMs = 3_600_000;

/** By so much this clock and the database's may differ, the time of an answer included, without anybody being told. */
const clocksApartMaxMs = 10_000;

/** One sweep of one region with its row in `sweeps`: begun, reported while it runs, completed or failed. */
export async function runSweep(
  parts: SweepParts,
  region: string,
  job: Pick<SweepJob, 'sweepId' | 'cause'>,
  context: SweepContext,
  more: {
    /** Announce everything, as if no sweep of the region had ever been complete. */
    announceAll?: boolean;
    onProgress?(counts: SweepCounts): Promise<void>;
  } = {},
): Promise<SweepCounts> {
  const { db, clock, random, log, metrics, config } = parts;
  const { store, publisher, signal } = context;
  await parts.freezes.refresh(); // one that came of a thaw must not be stopped by the freeze of a moment ago
  if (parts.freezes.modeOf(region) === 'all') {
    if (job.cause === 'seeding') throw new RegionFrozenError();
    await refuseFrozen(db, region, job);
    return noCounts();
  }
  const id = job.sweepId ?? newId('sweep', clock, random);
  const startedAt = clock.monotonic();
  const [since] = await Promise.all([
    more.announceAll ? { mark: null, tail: [] } : lastMark(db, region),
    beginSweep(db, { id, region, cause: job.cause }),
  ]);
  const sweep = new Sweep({
    store,
    publisher,
    clock,
    hub: {
      range: (kind, after, limit) => draftRange(db, region, kind, { after, limit }, clock),
      build: (refs) => buildContexts(db, region, refs, clock),
      drawRevisions: (refs) => drawRevisions(db, refs),
      freshRevision: () => freshRevision(db),
      highWater: () => hubHighWater(db),
      outrankRevision: (revision) => outrankRevision(db, revision),
      changedSince: async (mark) => {
        const ageMs = await lastSweepAgeMs(db, region);
        const isLate = ageMs === undefined || ageMs > holdingsKnownMs;
        return changedSince(db, mark, isLate ? undefined : region);
      },
      recallPlacements: () => recallPlacements(db, region),
      currentMark: () => currentMark(db),
      checkNotAhead: () => checkNotAhead(region, store, () => hubHighWater(db)),
      now: async () => {
        const nowMs = await hubNow(db);
        const aheadMs = Math.round(clock.now() - nowMs);
        if (Math.abs(aheadMs) > clocksApartMaxMs)
          log.warn(
            { region, aheadMs, code: 'CLOCK_DIFFERS' },
            'the clocks of this publisher and of Postgres differ: keep both on NTP; until then the sweep ends nothing that one of them holds to be young',
          );
        return nowMs;
      },
    },
    since,
    recovery: job.cause === 'recovery',
    pageRows,
    settleMs: config.settleMs,
    tombstoneRetentionMs: config.tombstoneRetentionMs,
    feedRetentionMs: config.feedRetentionMs,
    onHeldAhead: (ref, version) => {
      metrics.heldAhead.inc({ region, kind: ref.kind });
      log.error(
        { region, sweep: id, context: refText(ref), version, code: 'CONTEXT_AHEAD' },
        'left as it is: the region turns somebody away by a version the hub never gave it, and the hub would let them in; ' +
          'revoke it at the hub too, or delete the item from the store',
      );
    },
    onProgress: async (counts) => {
      await reportSweep(db, id, counts);
      await more.onProgress?.(counts);
    },
  });
  const told = () => ({
    ...{ region, sweep: id, cause: job.cause },
    ...{ durationMs: Math.round(clock.monotonic() - startedAt), phasesMs: sweep.phases.spentMs() },
  });
  try {
    const reached = await sweep.run(signal);
    const judgedAll = sweep.counts.frozen === 0;
    const [feed] = await Promise.all([
      store.readFeedHead(),
      concludeHolds(db, { id, region, contexts: sweep.contexts, judgedAll }),
    ]);
    const heldBack = sweep.heldBack.size <= heldBackMax ? [...sweep.heldBack] : null;
    await completeSweep(db, id, sweep.counts, reached, { feed, heldBack });
    await notifyProgress(db);
    metrics.sweeps.inc({ region, status: 'completed' });
    log.info({ ...told(), counts: sweep.counts }, 'sweep completed');
    return sweep.counts;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    await failSweep(db, id, sweep.counts, reason).catch(() => {}); // or it is found abandoned
    metrics.sweeps.inc({ region, status: 'failed' });
    log.error({ ...told(), err: error }, 'sweep failed');
    throw error;
  } finally {
    for (const drift of ['missing', 'stale', 'corrupt', 'orphan', 'ahead'] as const) {
      if (sweep.counts[drift] > 0) metrics.drift.inc({ region, drift }, sweep.counts[drift]);
    }
  }
}

/** Not tried again: the thaw brings a sweep of its own. Who asked for this one is told. */
async function refuseFrozen(db: Db, region: string, job: Pick<SweepJob, 'sweepId' | 'cause'>): Promise<void> {
  if (job.sweepId === undefined) return;
  await beginSweep(db, { id: job.sweepId, region, cause: job.cause });
  await failSweep(db, job.sweepId, noCounts(), new RegionFrozenError().message);
}
