import { AggregatorRegistry, Counter, Gauge, type Registry } from 'prom-client';
import type { MetricsAsJson } from './messages.ts';

/** Why a worker ended: `retired` as it was told to, `crashed` by itself or by somebody's signal. */
export type WorkerEnd = 'retired' | 'crashed';

/**
 * The numbers of all workers as one gateway's. What workers that are gone have counted is kept, as they last told it:
 * a counter that went down would be taken for a restart, and everything in it for new.
 */
export class GroupMetrics {
  readonly #own: Registry;
  /** The group's one loop, beside those of its workers: registered nowhere, because they have one of that name. */
  readonly #loopAge: Gauge<'loop' | 'region'>;
  readonly #ends: Counter<'how'>;
  #departed: MetricsAsJson = [];

  constructor(options: { registry: Registry; region: string; serving(): number; statusAgeMs(): number }) {
    const { registry: own, region, serving, statusAgeMs } = options;
    this.#own = own;
    this.#loopAge = new Gauge({
      name: 'spokecast_loop_age_seconds',
      help: 'Since each background loop last completed a turn.',
      labelNames: ['loop', 'region'],
      aggregator: 'max',
      registers: [],
      collect() {
        this.set({ loop: 'gateway-status', region }, statusAgeMs() / 1_000);
      },
    });
    this.#ends = new Counter({
      name: 'spokecast_worker_ends_total',
      help: 'Workers that ended: retired as they were told to, or crashed. Only with several workers.',
      labelNames: ['how'],
      registers: [own],
    });
    new Gauge({
      name: 'spokecast_workers',
      help: 'Workers that take connections. Only with several workers.',
      registers: [own],
      collect() {
        this.set(serving());
      },
    });
  }

  /** A worker is gone that last told these of itself. */
  async ended(how: WorkerEnd, told: MetricsAsJson | undefined): Promise<void> {
    this.#ends.inc({ how });
    if (told === undefined) return;
    const counted = told.filter(({ type }) => `${type}` === 'counter' || `${type}` === 'histogram');
    this.#departed = await joined([this.#departed, counted]);
  }

  /** As Prometheus reads it. */
  async text(told: readonly MetricsAsJson[]): Promise<string> {
    const own = await this.#own.getMetricsAsJSON();
    const loop = (await this.#loopAge.get()) as unknown as MetricsAsJson[number];
    return aggregate([...told, this.#departed, own, [loop]]).metrics();
  }
}

function joined(told: readonly MetricsAsJson[]): Promise<MetricsAsJson> {
  return aggregate(told).getMetricsAsJSON();
}

function aggregate(told: readonly MetricsAsJson[]): Registry {
  // The types speak of the metrics themselves; what is read is what they tell of themselves.
  return AggregatorRegistry.aggregate(told as unknown as Parameters<typeof AggregatorRegistry.aggregate>[0]);
}
