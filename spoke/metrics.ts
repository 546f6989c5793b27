import { type Aggregator, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { KindName } from '../contexts/kinds/index.ts';
import { StoreError } from '../contexts/store.ts';
import type { AccessOutcome } from './access-log.ts';
import type { CacheEvents, LoadingCache } from './cache/cache.ts';
import type { ReloadOutcome } from './certificate.ts';
import { Durations, Tally } from './counting.ts';
import type { Decision } from './decide.ts';
import type { TurnedAway } from './door.ts';
import type { FeedTail, TailStep } from './feed-tail.ts';
import type { FailedForward, ForwardOutcome } from './forward/failures.ts';
import type { PreparedContexts } from './prepared.ts';
import type { Readiness } from './readiness.ts';
import { SnapshotMetrics } from './snapshot/metrics.ts';

export { GroupMetrics } from './workers/group-metrics.ts';

export type Route = 'authenticate' | 'forward-auth' | 'forward';

/** The gateway's numbers. One registry a gateway. */
export class GatewayMetrics {
  readonly registry = new Registry();
  readonly #heartbeatLag: Histogram;
  readonly snapshots = new SnapshotMetrics(this.registry);
  readonly #decisions = this.#tally(
    'spokecast_decisions_total',
    'Decisions by route and code; GRANTED among them.',
    ['route', 'code'],
  );
  readonly #lookups = this.#tally(
    'spokecast_cache_lookups_total',
    'Look-ups in the cache by kind and outcome.',
    ['kind', 'outcome'],
  );
  readonly #fills = this.#tally(
    'spokecast_cache_fills_total',
    'Keys read from the store by kind and outcome.',
    ['kind', 'outcome'],
  );
  readonly #announcements = this.#tally(
    'spokecast_announcements_total',
    'Announcements heard by kind and what they did.',
    ['kind', 'outcome'],
  );
  readonly #storeErrors = this.#tally(
    'spokecast_store_errors_total',
    'Operations of the store that failed, by part and code.',
    ['part', 'code'],
  );
  readonly #undecodable = this.#tally(
    'spokecast_undecodable_total',
    'Items read that this build cannot decode, by kind.',
    ['kind'],
  );
  readonly #dangling = this.#tally(
    'spokecast_dangling_total',
    'Valid keys whose cluster or tenant is not here.',
    [],
  );
  readonly #tailSteps = this.#tally(
    'spokecast_feed_steps_total',
    'Turns of the feed tail by what they came to.',
    ['step'],
  );
  readonly #forwards = this.#tally('spokecast_forwards_total', 'Forwarded requests by outcome.', ['outcome']);
  readonly #forwardRetries = this.#tally(
    'spokecast_forward_retries_total',
    'Attempts at an upstream that failed and were made again, by the failure.',
    ['failure'],
  );
  readonly #upstreamOuts = this.#tally(
    'spokecast_upstream_outs_total',
    'Times that an upstream was left alone after failures in a row, by the last of them.',
    ['failure'],
  );
  readonly #certificates = this.#tally(
    'spokecast_tls_certificate_changes_total',
    'Changes of the certificate files by what came of them; what is refused is looked at again.',
    ['outcome'],
  );
  readonly #duration = new Durations<Route>(this.registry, {
    name: 'spokecast_request_duration_seconds',
    help: 'From the request to the end of its decision (authenticate) or of its answer (forward).',
    label: 'route',
    buckets: [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5, 30],
  });

  readonly #accessLines = this.#tally(
    'spokecast_access_log_lines_total',
    'Lines of the access log by outcome: refusals beyond their rate are suppressed.',
    ['outcome'],
  );
  readonly #ratedAlone = this.#tally(
    'spokecast_rate_limit_alone_total',
    "Requests of limited keys that a worker counted against its share, because its group's primary did not answer in time. Only with several workers.",
    [],
  );
  readonly #turnedAway = this.#tally(
    'spokecast_connections_turned_away_total',
    'Client connections not taken, or ended before there was a whole request, by why.',
    ['why'],
  );

  readonly #keyUsesLost = new Counter({
    name: 'spokecast_key_uses_lost_total',
    help: 'Agent keys whose use in a stretch of time is told nobody, because the store did not answer for too long.',
    registers: [this.registry],
  });

  /** @param region on every number, so that alarms can tell regions apart however the gateways are scraped. */
  constructor(region?: string) {
    if (region !== undefined) this.registry.setDefaultLabels({ region });
    this.#heartbeatLag = new Histogram({
      name: 'spokecast_heartbeat_lag_seconds',
      help: "From a heartbeat's commit at the hub until this gateway had read it, by both machines' clocks.",
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
      registers: [this.registry],
    });
  }

  #tally(name: string, help: string, labels: readonly string[]): Tally {
    return new Tally(this.registry, name, help, labels);
  }

  keyUsesLost(keys: number): void {
    this.#keyUsesLost.inc(keys);
  }

  ratedAlone(): void {
    this.#ratedAlone.add();
  }

  decided(route: Route, decision: Decision, durationMs: number): void {
    const code = decision.outcome === 'granted' ? 'GRANTED' : decision.code;
    this.#decisions.add(route, code);
    if (code === 'DANGLING') this.#dangling.add();
    if (route !== 'forward') this.#duration.observe(route, durationMs);
  }

  forwarded(outcome: ForwardOutcome, durationMs: number): void {
    this.#forwards.add(outcome);
    if (outcome === 'tunnelled') return; // lasts as long as both sides like
    this.#duration.observe('forward', durationMs);
  }

  logged(outcome: AccessOutcome): void {
    this.#accessLines.add(outcome);
  }

  turnedAway(why: TurnedAway): void {
    this.#turnedAway.add(why);
  }

  heartbeatArrived(lagMs: number): void {
    this.#heartbeatLag.observe(lagMs / 1_000);
  }

  /** An attempt that failed and was made again. */
  retried(failure: FailedForward): void {
    this.#forwardRetries.add(failure);
  }

  /** An upstream that is left alone from now on. */
  upstreamOut(failure: FailedForward): void {
    this.#upstreamOuts.add(failure);
  }

  certificateLooked(outcome: ReloadOutcome): void {
    if (outcome !== 'unchanged') this.#certificates.add(outcome);
  }

  /** For gateways that serve TLS. */
  watchCertificate(certificate: { readonly expiresAtMs: number }): void {
    new Gauge({
      name: 'spokecast_tls_certificate_expires_timestamp_seconds',
      aggregator: 'min',
      help: 'When the certificate that is served expires, in seconds since the Unix epoch.',
      registers: [this.registry],
      collect() {
        this.set(certificate.expiresAtMs / 1_000);
      },
    });
  }

  storeFailed(part: 'cache' | 'feed' | 'status' | 'key-uses', error: unknown): void {
    this.#storeErrors.add(part, error instanceof StoreError ? error.code : 'UNEXPECTED');
  }

  stepped(step: TailStep): void {
    this.#tailSteps.add(step);
  }

  /** The cache's events, counted. */
  cacheEvents(): Omit<CacheEvents, 'otherTable'> {
    return {
      lookedUp: (kind, outcome) => this.#lookups.add(kind, outcome),
      filled: (kind, outcome) => this.#fills.add(kind, outcome),
      announced: (kind, outcome) => this.#announcements.add(kind, outcome),
      undecodable: (ref) =>
        this.#undecodable.add(ref.slice(0, ref.indexOf('/')) satisfies string as KindName),
      storeFailed: (error) => this.storeFailed('cache', error),
    };
  }

  /** The numbers that are looked up when asked for. */
  watch(parts: {
    cache: LoadingCache<PreparedContexts>;
    tail: FeedTail;
    watermark(): number | undefined;
    readiness(): Readiness;
    door: { readonly connections: number };
    /** Undefined where no census is held. */
    known: { readonly isTold: boolean } | undefined;
    /** Undefined where the region has no heartbeat. */
    heartbeatAgeMs(): number | undefined;
    forwarder: { readonly underWay: number; readonly tunnels: number; readonly upstreamsOut: number };
    /** Seconds since the last turn that succeeded, of every loop. */
    loopAgesMs(): Record<string, number>;
  }): void {
    const { cache, tail } = parts;
    /** @param aggregator how the numbers of several workers become one */
    const gauge = (name: string, help: string, read: () => number, aggregator: Aggregator = 'sum') => {
      new Gauge({
        name,
        help,
        aggregator,
        registers: [this.registry],
        collect() {
          this.set(read());
        },
      });
    };
    gauge('spokecast_cache_entries', 'Present contexts held.', () => cache.stats().entries);
    gauge(
      'spokecast_cache_bytes',
      'Bytes of the present contexts held, as estimated.',
      () => cache.stats().bytes,
    );
    gauge('spokecast_cache_negatives', 'Absences and tombstones held.', () => cache.stats().negatives);
    gauge(
      'spokecast_cache_suspects',
      'Entries being verified because announcements may have been missed.',
      () => cache.stats().suspects,
    );
    gauge('spokecast_fills_in_flight', 'Keys queued or being read.', () => cache.stats().flights);
    gauge(
      'spokecast_fill_batches_in_flight',
      'Batches the store has not answered yet.',
      () => cache.stats().batches,
    );
    gauge('spokecast_lookups_waiting', 'Look-ups waiting for the store.', () => cache.stats().waiters);
    gauge(
      'spokecast_feed_watermark',
      'The feed number up to which announcements are in force, and would be after a crash; -1 while there is none.',
      () => parts.watermark() ?? -1,
      'min',
    );
    gauge(
      'spokecast_feed_age_seconds',
      'Since the feed was last read; grows while the table is not ours or not there.',
      () => tail.ageMs / 1_000,
      'max',
    );
    new Gauge({
      name: 'spokecast_heartbeat_age_seconds',
      aggregator: 'max',
      help: "Since the newest heartbeat that is held was made at the hub, by both machines' clocks; absent where the region has none.",
      registers: [this.registry],
      collect() {
        const ageMs = parts.heartbeatAgeMs();
        if (ageMs === undefined) this.remove();
        else this.set(ageMs / 1_000);
      },
    });
    gauge(
      'spokecast_degraded',
      '1 while answers may be stale, with the reasons at /readyz.',
      () => (parts.readiness().status === 'degraded' ? 1 : 0),
      'max',
    );
    gauge(
      'spokecast_ready',
      '1 while the gateway can answer.',
      () => (parts.readiness().status === 'not-ready' ? 0 : 1),
      'max',
    );
    gauge(
      'spokecast_connections_open',
      'Client connections, tunnels among them.',
      () => parts.door.connections,
    );
    gauge(
      'spokecast_census_told',
      '1 while made-up keys can be told from keys of the region, 0 until those were all read; -1 without a census.',
      () => (parts.known ? Number(parts.known.isTold) : -1),
    );
    const { forwarder } = parts;
    gauge('spokecast_forwards_under_way', 'Requests being forwarded.', () => forwarder.underWay);
    gauge('spokecast_tunnels_open', 'Upgraded connections being carried.', () => forwarder.tunnels);
    gauge('spokecast_upstreams_out', 'Upstreams left alone for now.', () => forwarder.upstreamsOut, 'max');
    new Gauge({
      name: 'spokecast_loop_age_seconds',
      aggregator: 'max',
      help: 'Since each background loop last completed a turn.',
      labelNames: ['loop'],
      registers: [this.registry],
      collect() {
        for (const [loop, ageMs] of Object.entries(parts.loopAgesMs())) this.set({ loop }, ageMs / 1_000);
      },
    });
  }

  /** CPU, memory and event loop of the process. For the process that is this gateway alone. */
  watchProcess(): void {
    collectDefaultMetrics({ register: this.registry });
  }
}
