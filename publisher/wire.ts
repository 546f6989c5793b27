import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import { Loop } from '../contexts/base/loop.ts';
import { type Random, systemRandom } from '../contexts/base/random.ts';
import { newId } from '../contexts/ids.ts';
import type { Store } from '../contexts/store.ts';
import { DynamoStore } from '../contexts/stores/dynamodb.ts';
import { addressOf, deafness } from '../hub/db/address.ts';
import { buildContexts, holdersOf } from '../hub/db/builders/index.ts';
import { cascadeDeparture, cascadePlacements, lastKeys, regionsHolding } from '../hub/db/cascade.ts';
import { connect, type Database } from '../hub/db/client.ts';
import { awaitedRegions, awaitsChannel, noteSeen, notifyProgress } from '../hub/db/fences.ts';
import { type LastWord, recordGateways, reportRegion } from '../hub/db/gateways.ts';
import { beat } from '../hub/db/heartbeats.ts';
import { trimLedger } from '../hub/db/housekeeping.ts';
import { noteUsesRead, recordKeyUses } from '../hub/db/key-uses.ts';
import type { SchemaError } from '../hub/db/migrate.ts';
import {
  claimChanges,
  completeChanges,
  outboxBacklog,
  outboxChannel,
  releaseChanges,
  renewChanges,
  type Takes,
} from '../hub/db/outbox.ts';
import { writeReceipt } from '../hub/db/receipts.ts';
import { recordLags } from '../hub/db/region-lags.ts';
import { confirmRun, runState } from '../hub/db/runs.ts';
import { regions as regionsTable } from '../hub/db/schema.ts';
import { watchSchema } from '../hub/db/schema-watch.ts';
import { dueSeedings, noteSeedingTrouble, requestSeeding } from '../hub/db/seedings.ts';
import {
  failAbandonedSweeps,
  failSweep,
  hubHighWater,
  hubNow,
  lastSweepAgeMs,
  noCounts,
  sweepAgesMs,
  takeRequestedSweeps,
} from '../hub/db/sweeps.ts';
import { leftReadOnly, watchWritable } from '../hub/db/writable-watch.ts';
import { Ages } from './ages.ts';
import { checkNotAhead, checkRun } from './ahead.ts';
import { awaitArrival } from './arrival.ts';
import { clockAheadMs } from './clock-ahead.ts';
import type { PublisherConfig } from './config.ts';
import { openGuards } from './guards.ts';
import { createHeartbeats } from './heartbeats.ts';
import { type PublisherHealth, publisherApp } from './http.ts';
import { createLags } from './lags.ts';
import { publisherMetrics } from './metrics.ts';
import { openQueues, type Queues } from './queues.ts';
import { Region } from './region.ts';
import { type RegionRow, Regions } from './regions.ts';
import { Relay } from './relay.ts';
import { runSweep } from './run-sweep.ts';
import { runSeeding } from './seeding/run-seeding.ts';
import { createWatchdog } from './watchdog.ts';

export interface PublisherService extends AsyncDisposable {
  readonly database: Database;
  readonly queues: Queues;
  readonly relay: Relay;
  readonly regions: Regions;
  readonly app: ReturnType<typeof publisherApp>;
  /** Resolves when somebody has migrated the database beyond this build, with what to say: it has to end. */
  readonly outdated: Promise<SchemaError>;
  /** Creates what the queues need, listens for changes, starts every loop. */
  start(): Promise<void>;
}

export interface PublisherParts {
  config: PublisherConfig;
  clock: Clock;
  log: Logger;
  random?: Random;
  /** Opens a region's store; tests put something in between. */
  openStore?(row: RegionRow): Store;
}

/** Everything a publisher is made of, put together and not yet started. */
export function wirePublisher(parts: PublisherParts): PublisherService {
  const { config, clock, log, random = systemRandom } = parts;
  const metrics = publisherMetrics();
  const address = addressOf(config);
  const database = connect(address, {
    applicationName: 'spokecast publisher',
    max: config.databaseConnectionsMax,
  });
  const { db } = database;
  const warn = (what: string) => (error: unknown) => log.warn({ err: error }, what);
  const queues = openQueues({
    redisUrl: config.redisUrl,
    databaseUrl: address.directUrl ?? address.url,
    connectionsMax: config.queueConnectionsMax,
    onError: warn('the job queues have trouble'),
  });
  let hubId = '';

  const openStore =
    parts.openStore ??
    ((row: RegionRow) =>
      DynamoStore.connect({
        table: row.storeTable,
        endpoint: row.storeEndpoint ?? undefined,
        awsRegion: row.storeAwsRegion ?? undefined,
        requestTimeoutMs: config.storeTimeoutMs,
        clock,
        random,
      }));

  const guards = openGuards({ db, clock, log, metrics, config, regions: () => regions });

  const regions: Regions = new Regions({
    clock,
    list: () => db.select().from(regionsTable),
    onClosed: (id) => metrics.forgetRegion(id),
    onError: warn('the list of regions could not be followed'),
    open: (row) => {
      const word: LastWord = { reportedAt: null };
      return new Region({
        owner: { environment: config.environment, region: row.id, hubId },
        store: openStore(row),
        queues,
        clock,
        random,
        log,
        metrics,
        hub: (store) => ({
          build: (refs) => buildContexts(db, row.id, refs, clock),
          checkNotAhead: () => checkNotAhead(row.id, store, () => hubHighWater(db)),
          checkRun: () =>
            checkRun(row.id, store, {
              state: () => runState(db, row.id),
              confirm: (run) => confirmRun(db, row.id, run),
            }),
        }),
        guard: guards.of(row.id),
        sweep: async (job, context) => {
          const sweepParts = { db, clock, random, log, metrics, config, freezes: guards.freezes };
          if (job.seedingId) await runSeeding(sweepParts, row.id, job.seedingId, context);
          else await runSweep(sweepParts, row.id, job, context);
        },
        requestSeeding: async (fresh) => {
          const id = newId('seeding', clock, random);
          await requestSeeding(db, { id, region: row.id, cause: 'lost', ...(fresh ? { fresh } : {}) });
        },
        sweepEveryMs: config.sweepEveryMs,
        putConcurrency: config.putConcurrency,
        refreshConcurrency: config.refreshConcurrency,
        jobLockMs: config.jobLockMs,
        snapshotAgeMaxMs: 60_000,
        breakerFailuresMax: config.breakerFailures,
        keyUses: {
          record: (region, uses) => recordKeyUses(db, region, uses),
          noteRead: (region) => noteUsesRead(db, region),
        },
        writeReceipt: (receipt) => writeReceipt(db, receipt),
        collector: {
          everyMs: config.collectEveryMs,
          awaitedEveryMs: config.collectAwaitedEveryMs,
          report: (report) => reportRegion(db, report, word),
          record: async (report, listing, fences) => {
            const forgetting = { nowMs: clock.now(), forgetAfterMs: config.gatewayForgetMs, word };
            const reported = await recordGateways(db, report, listing, forgetting);
            if ((await noteSeen(db, row.id, fences)) + reported > 0) await notifyProgress(db);
          },
        },
      });
    },
  });

  const makeRelay = (takes: Takes, claimMax: number) =>
    new Relay({
      takes,
      clock,
      claimant: Buffer.from(random.bytes(9)).toString('base64url'),
      leaseMs: config.relayLeaseMs,
      pollMs: config.relayPollMs,
      claimMax,
      ports: {
        claim: (claim) => claimChanges(db, claim),
        holding: (clusterIds) => regionsHolding(db, clusterIds),
        cascade: (placed, onProgress) =>
          cascadePlacements(db, placed, {
            ...{ chunk: 500, onProgress },
            // What waits for the lock of one cluster holds those of all others meanwhile.
            ...(placed.length > 1 ? { lockTimeoutMs: 100 } : {}),
          }),
        arrival: (moved) =>
          awaitArrival(moved, {
            ...{ clock, timeoutMs: 400, pollMs: 20 },
            lastKeys: (clusterIds) => lastKeys(db, clusterIds),
            holds: async (region, refs) => regions.get(region)?.holds(refs) ?? 'unknown',
          }),
        // What moves is not revoked: it waits its turn, behind what is.
        depart: ({ clusterId, arrives, fences }) =>
          cascadeDeparture(db, clusterId, { fences, tightens: !arrives }),
        holders: (refs) => holdersOf(db, refs),
        handOver: (region, jobs) => regions.get(region)?.lane.take(jobs) ?? 'left',
        enqueue: (region, jobs) => regions.enqueueRefresh(region, jobs),
        complete: (claimant, ids, fenced) => completeChanges(db, claimant, ids, fenced),
        release: (claimant, ids) => releaseChanges(db, claimant, ids),
        renew: (claim, ids) => renewChanges(db, claim, ids),
      },
      onRelayed: (rows) => metrics.relayedRows.inc(rows),
      onError: (error) => {
        metrics.relayErrors.inc();
        log.error({ err: error }, 'outbox rows could not be relayed; they are tried again');
      },
    });

  const relay = makeRelay('all-else', 500);
  const placementRelay = makeRelay('placements', 100);
  const wakeRelays = () => {
    relay.wake();
    placementRelay.wake();
  };

  const requests = new Loop({
    name: 'sweep requests',
    clock,
    everyMs: 2000,
    turn: async () => {
      for (const { id, region } of await takeRequestedSweeps(db)) {
        const found = regions.get(region);
        if (found) await found.enqueueSweep({ sweepId: id, cause: 'requested' });
        else await failSweep(db, id, noCounts(), `region ${region} is disabled or gone`);
      }
      for (const { id, region } of await dueSeedings(db)) {
        const found = regions.get(region);
        if (found?.state === 'open') await found.enqueueSweep({ seedingId: id, cause: 'seeding' });
        else if (found?.trouble) await noteSeedingTrouble(db, id, found.trouble);
      }
    },
    onError: warn('requested sweeps could not be started'),
  });

  /** Where somebody waits for a fence, gateways are looked at often. */
  const awaits = new Loop({
    name: 'awaited fences',
    clock,
    everyMs: 1000,
    turn: async () => {
      const awaited = new Set(await awaitedRegions(db));
      for (const region of regions.all()) region.collector.awaited = awaited.has(region.id);
    },
    onError: warn('could not look who is waited for'),
  });

  const watchdog = createWatchdog({
    clock,
    log,
    sweepEveryMs: config.sweepEveryMs,
    regions: () => regions.all(),
    isSwept: (region) => guards.freezes.modeOf(region) !== 'all',
    failAbandonedSweeps: () => failAbandonedSweeps(db),
    lastSweepAgeMs: (region) => lastSweepAgeMs(db, region),
    onRestored: (region) => metrics.schedulesRestored.inc({ region }),
  });

  const housekeeping = new Loop({
    name: 'housekeeping',
    clock,
    everyMs: 3_600_000,
    retryMs: () => 60_000,
    turn: () => trimLedger(db, config),
    onError: warn('the ledger could not be trimmed'),
  });

  const heartbeats = createHeartbeats({
    clock,
    everyMs: config.heartbeatEveryMs,
    regions: () => regions.all(),
    beat: (ids) => beat(db, ids, config.heartbeatEveryMs),
    onError: warn('heartbeats could not be made'),
  });

  const lags = createLags({
    clock,
    everyMs: 15_000,
    regions: () => regions.all(),
    record: (samples) => recordLags(db, samples),
    onError: warn('lags could not be written down'),
  });

  const schema = watchSchema(database, clock, { acceptNewer: config.acceptNewerSchema });
  const writable = watchWritable(database, clock, (connections) => log.warn({ connections }, leftReadOnly));

  const loops = [
    ...[
      relay.loop,
      placementRelay.loop,
      regions.loop,
      guards.freezes.loop,
      requests,
      awaits,
      watchdog,
      housekeeping,
      lags,
      schema.loop,
      writable.loop,
    ],
    ...(heartbeats ? [heartbeats] : []),
  ];
  metrics.sweepIntervalSeconds.set(config.sweepEveryMs / 1000);
  const ages = new Ages({
    clock,
    metrics,
    loops,
    regions: () => regions.all(),
    outbox: () => outboxBacklog(db),
    sweepAges: () => sweepAgesMs(db),
    clockAhead: () => clockAheadMs(clock, () => hubNow(db)),
    others: () => guards.collect(),
    heartbeats: heartbeats !== undefined,
  });

  const health = (): PublisherHealth => ({
    reasons: [
      ...[relay.loop, placementRelay.loop]
        .filter((loop) => loop.ageMs() > 10_000)
        .map((loop) => `the ${loop.name} has not succeeded for ${Math.round(loop.ageMs() / 1000)} s`),
      ...(hubId === '' ? ['not started'] : []),
    ],
    queueBackend: queues.backend,
    regions: regions
      .all()
      .map(({ id, state, trouble }) => ({ id, state, trouble, frozen: guards.freezes.modeOf(id) ?? null })),
  });

  return {
    database,
    queues,
    relay,
    regions,
    outdated: schema.outdated,
    app: publisherApp({ health, collect: () => ages.collect(), metrics }),
    async start() {
      const deaf = deafness(address);
      if (deaf !== undefined) log.warn(deaf);
      await queues.prepare();
      ({ hubId } = await hubHighWater(db));
      await guards.freezes.refresh(); // before anything is published
      guards.freezes.loop.start();
      regions.start();
      await database.listen('spokecast_freezes', () => guards.freezes.loop.wake());
      await database.listen('spokecast_regions', () => regions.wake());
      await database.listen('spokecast_sweeps', () => requests.wake());
      await database.listen(outboxChannel, wakeRelays);
      await database.listen(awaitsChannel, () => awaits.wake());
      relay.start();
      placementRelay.start();
      requests.start();
      awaits.start();
      watchdog.start();
      housekeeping.start();
      lags.start();
      heartbeats?.start();
      schema.loop.start();
      writable.loop.start();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([
        relay[Symbol.asyncDispose](),
        placementRelay[Symbol.asyncDispose](),
        guards.freezes.loop.stop(),
        requests.stop(),
        awaits.stop(),
        watchdog.stop(),
        housekeeping.stop(),
        lags.stop(),
        heartbeats?.stop(),
        schema.loop.stop(),
        writable.loop.stop(),
      ]);
      await regions[Symbol.asyncDispose]();
      await queues[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}
