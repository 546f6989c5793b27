import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type RegionState, regionStates } from './region-state.ts';

/** What a publisher tells of itself. docs/operations.md says which to alarm on. */
export function publisherMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const state = new Gauge({
    name: 'spokecast_region_state',
    help: '1 for the state the region is in as this publisher sees it, 0 for the others.',
    labelNames: ['region', 'state'],
    registers,
  });
  const ofRegion = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['region'], registers });
  const ages = {
    probeAgeSeconds: ofRegion(
      'spokecast_region_probe_age_seconds',
      "Seconds since the region's store was last asked for its identity and was found well.",
    ),
    collectorAgeSeconds: ofRegion(
      'spokecast_collector_age_seconds',
      "Seconds since what the region's gateways report was last read and written down, or, while the region is not open, that it is not.",
    ),
    keyUsesAgeSeconds: ofRegion(
      'spokecast_key_use_collector_age_seconds',
      "Seconds since the use of agent keys was last read from the region's store and written down.",
    ),
    queueDepth: ofRegion('spokecast_refresh_jobs_unfinished', 'Refresh jobs waiting, delayed or at work.'),
    queueAgeSeconds: ofRegion(
      'spokecast_refresh_oldest_age_seconds',
      'Age of the oldest refresh job waiting, delayed or at work, 0 when there is none; grows while the queue does not tell.',
    ),
    schedulerAgeSeconds: ofRegion(
      'spokecast_scheduler_age_seconds',
      'Seconds since the scheduler of the sweeps last came due and was taken.',
    ),
    sweepAgeSeconds: ofRegion(
      'spokecast_sweep_age_seconds',
      'Seconds since the last complete sweep of the region, or since it was added; grows while Postgres does not tell.',
    ),
    heartbeatStoredAgeSeconds: ofRegion(
      'spokecast_heartbeat_stored_age_seconds',
      "Seconds since the heartbeat that the region's store holds was made at the hub, by this machine's clock.",
    ),
  };
  return {
    registry,
    contexts: new Counter({
      name: 'spokecast_contexts_published_total',
      help: 'Contexts that went through the publish step, by outcome.',
      labelNames: ['region', 'kind', 'outcome'],
      registers,
    }),
    refreshSeconds: new Histogram({
      name: 'spokecast_refresh_seconds',
      help: 'From the commit of the oldest change of a refresh job until all of it was announced.',
      labelNames: ['region'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
      registers,
    }),
    held: new Gauge({
      name: 'spokecast_contexts_held',
      help: 'Contexts whose last good state stays in place: over the budget of losses, of a kind gone empty, or invalid.',
      labelNames: ['region', 'kind', 'reason'],
      registers,
    }),
    frozen: new Gauge({
      name: 'spokecast_region_frozen',
      help: '1 while the region is frozen, by what the freeze stops; 0 otherwise.',
      labelNames: ['region', 'mode'],
      registers,
    }),
    relayedRows: new Counter({
      name: 'spokecast_relay_rows_total',
      help: 'Outbox rows relayed to queues.',
      registers,
    }),
    relayErrors: new Counter({
      name: 'spokecast_relay_errors_total',
      help: 'Turns of the relay that failed.',
      registers,
    }),
    outboxRows: new Gauge({ name: 'spokecast_outbox_rows', help: 'Outbox rows not relayed yet.', registers }),
    outboxAgeSeconds: new Gauge({
      name: 'spokecast_outbox_oldest_age_seconds',
      help: 'Age of the oldest outbox row not relayed yet, 0 when there is none; grows while Postgres does not tell.',
      registers,
    }),
    loopAgeSeconds: new Gauge({
      name: 'spokecast_loop_age_seconds',
      help: 'Seconds since a background loop last succeeded; grows while its turns fail, and while one hangs.',
      labelNames: ['loop'],
      registers,
    }),
    clockAheadSeconds: new Gauge({
      name: 'spokecast_clock_ahead_seconds',
      help: "Seconds by which the publisher's clock is ahead of Postgres's, at least; below 0 it is behind. As it was last seen.",
      registers,
    }),
    sweepIntervalSeconds: new Gauge({
      name: 'spokecast_sweep_interval_seconds',
      help: 'Seconds between two scheduled sweeps of a region, as configured: what the age of a sweep is compared with.',
      registers,
    }),
    schedulesRestored: new Counter({
      name: 'spokecast_schedules_restored_total',
      help: 'Times the watchdog made the schedule of a region that was no longer swept again.',
      labelNames: ['region'],
      registers,
    }),
    ...ages,
    /** The gauges of {@link Ages} that have a region: reset before they are shown, so that none outlives its region. */
    ofRegions: Object.values(ages) as readonly Gauge<'region'>[],
    sweeps: new Counter({
      name: 'spokecast_sweeps_total',
      help: 'Sweeps that ended, by status.',
      labelNames: ['region', 'status'],
      registers,
    }),
    drift: new Counter({
      name: 'spokecast_drift_total',
      help: 'Differences sweeps found, by kind of drift.',
      labelNames: ['region', 'drift'],
      registers,
    }),
    heldAhead: new Counter({
      name: 'spokecast_held_ahead_total',
      help: 'Tombstones and denials of versions the hub never gave, found by sweeps and left in place for a person.',
      labelNames: ['region', 'kind'],
      registers,
    }),
    regionState(region: string, current: RegionState): void {
      for (const one of regionStates) state.set({ region, state: one }, one === current ? 1 : 0);
    },
    forgetRegion(region: string): void {
      for (const one of regionStates) state.remove({ region, state: one });
    },
  };
}

export type PublisherMetrics = ReturnType<typeof publisherMetrics>;
