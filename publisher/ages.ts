import type { Clock } from '../contexts/base/clock.ts';
import type { Loop } from '../contexts/base/loop.ts';
import type { OutboxBacklog } from '../hub/db/outbox.ts';
import type { Backlog } from './backlog.ts';
import type { PublisherMetrics } from './metrics.ts';
import { Observed } from './observed.ts';
import type { Region } from './region.ts';

export interface AgesOptions {
  clock: Clock;
  metrics: PublisherMetrics;
  loops: readonly Loop[];
  regions(): readonly Region[];
  outbox(): Promise<OutboxBacklog>;
  /** Milliseconds since the last complete sweep, or since it was added, of every region that is not disabled. */
  sweepAges(): Promise<ReadonlyMap<string, number>>;
  /** Milliseconds by which this machine's clock is ahead of the database's. */
  clockAhead(): Promise<number>;
  /** What others show with each scrape. It is no age, and stays as it was last seen where it cannot be asked for. */
  others(): Promise<void>;
  /** Whether heartbeats are made, so that there is something to read back. */
  heartbeats: boolean;
}

/** A scrape is answered within this, whoever hangs; Prometheus gives one 10 s. */
const withinMs = 2_000;

interface RegionLooks {
  backlog: Observed<Backlog>;
  scheduled: Observed<number | undefined>;
  heartbeat: Observed<number | undefined>;
}

/**
 * Every age a publisher tells, worked out when it is asked for. A number that is written down by the loop it watches
 * stays young when that loop hangs; these grow, whether the loop, Postgres, the queues or a store stopped answering.
 */
export class Ages {
  readonly #options: AgesOptions;
  readonly #outbox: Observed<OutboxBacklog>;
  readonly #sweeps: Observed<ReadonlyMap<string, number>>;
  readonly #clockAhead: Observed<number>;
  readonly #others: Observed<void>;
  readonly #regions = new Map<Region, RegionLooks>();

  constructor(options: AgesOptions) {
    this.#options = options;
    const { clock } = options;
    this.#outbox = new Observed({ clock, look: options.outbox });
    this.#others = new Observed({ clock, look: options.others });
    this.#clockAhead = new Observed({ clock, look: options.clockAhead });
    this.#sweeps = new Observed({ clock, look: options.sweepAges });
  }

  /** Brings the gauges up to date. Resolves within two seconds. */
  async collect(): Promise<void> {
    const regions = this.#follow();
    const looks: Observed<unknown>[] = [this.#outbox, this.#sweeps, this.#clockAhead, this.#others];
    for (const { backlog, scheduled, heartbeat } of regions.values()) {
      looks.push(backlog, scheduled);
      if (this.#options.heartbeats) looks.push(heartbeat);
    }
    await Promise.all(looks.map((look) => look.look(withinMs)));
    this.#show(regions);
  }

  /** What is looked at of the regions that are open now; those that are gone are forgotten. */
  #follow(): ReadonlyMap<Region, RegionLooks> {
    const { clock, regions } = this.#options;
    const now = new Set(regions());
    for (const region of this.#regions.keys()) if (!now.has(region)) this.#regions.delete(region);
    for (const region of now) {
      if (this.#regions.has(region)) continue;
      this.#regions.set(region, {
        backlog: new Observed({ clock, look: () => region.backlog() }),
        scheduled: new Observed({ clock, look: () => region.lastScheduledAtMs() }),
        heartbeat: new Observed({ clock, look: () => region.storedHeartbeatMs() }),
      });
    }
    return this.#regions;
  }

  #show(regions: ReadonlyMap<Region, RegionLooks>): void {
    const { clock, metrics, loops, heartbeats } = this.#options;
    const seconds = (ms: number) => Math.max(0, ms) / 1000;
    const sinceWall = (atMs: number) => seconds(clock.now() - atMs);
    for (const loop of loops) metrics.loopAgeSeconds.set({ loop: loop.name }, seconds(loop.ageMs()));
    metrics.outboxRows.set(this.#outbox.value?.rows ?? 0);
    metrics.outboxAgeSeconds.set(seconds((this.#outbox.value?.oldestMs ?? 0) + this.#unheard(this.#outbox)));
    if (this.#clockAhead.value !== undefined) metrics.clockAheadSeconds.set(this.#clockAhead.value / 1000);
    for (const gauge of metrics.ofRegions) gauge.reset();
    for (const [region, { backlog, scheduled, heartbeat }] of regions) {
      const labels = { region: region.id };
      metrics.probeAgeSeconds.set(labels, seconds(region.probeAgeMs));
      metrics.collectorAgeSeconds.set(labels, seconds(region.collector.ageMs));
      metrics.keyUsesAgeSeconds.set(labels, seconds(region.keyUses.ageMs));
      metrics.queueDepth.set(labels, backlog.value?.jobs ?? 0);
      const oldest = backlog.value?.oldestAtMs;
      metrics.queueAgeSeconds.set(
        labels,
        oldest === undefined ? seconds(this.#unheard(backlog)) : sinceWall(oldest),
      );
      metrics.schedulerAgeSeconds.set(
        labels,
        scheduled.value === undefined ? seconds(region.knownForMs) : sinceWall(scheduled.value),
      );
      const swept = this.#sweeps.value?.get(region.id);
      metrics.sweepAgeSeconds.set(
        labels,
        seconds(swept === undefined ? region.knownForMs : swept + this.#sweeps.sinceMs),
      );
      if (!heartbeats) continue;
      metrics.heartbeatStoredAgeSeconds.set(
        labels,
        heartbeat.value === undefined ? seconds(region.knownForMs) : sinceWall(heartbeat.value),
      );
    }
  }

  /** How long nobody has told of it; nothing while answers come, though the last took its time. */
  #unheard(observed: Observed<unknown>): number {
    return observed.sinceMs > withinMs ? observed.sinceMs : 0;
  }
}
