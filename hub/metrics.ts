import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Loop } from '../contexts/base/loop.ts';

/** What the hub counts. One registry a hub, so that two in one process (a test) do not meet. */
export interface HubMetrics {
  registry: Registry;
  requests: Histogram<'method' | 'route' | 'status'>;
  requestsInFlight: Gauge;
  waits: Gauge;
  eventStreams: Gauge;
  eventStreamsEnded: Counter<'reason'>;
  logins: Counter<'outcome'>;
  passwordChecks: Counter<'outcome'>;
  signIns: Counter<'how' | 'outcome'>;
  databaseErrors: Counter<'fault'>;
  storeReads: Counter<'region' | 'outcome'>;
  hintsFailed: Counter;
  /** From now on the loop's age is told with each scrape. */
  watch(loop: Loop): void;
}

export function createMetrics(options: { process: boolean } = { process: true }): HubMetrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.process) collectDefaultMetrics({ register: registry });
  const loops: Loop[] = [];
  new Gauge({
    name: 'spokecast_loop_age_seconds',
    help: 'Seconds since a background loop last succeeded; grows while its turns fail, and while one hangs.',
    labelNames: ['loop'],
    registers,
    collect() {
      for (const loop of loops) this.set({ loop: loop.name }, loop.ageMs() / 1000);
    },
  });
  return {
    registry,
    requests: new Histogram({
      name: 'spokecast_hub_request_duration_seconds',
      help: 'Time from a request to its answer, by route and status.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    requestsInFlight: new Gauge({
      name: 'spokecast_hub_requests_in_flight',
      help: 'Requests being answered.',
      registers,
    }),
    waits: new Gauge({
      name: 'spokecast_hub_waits',
      help: 'Requests that wait for regions.',
      registers,
    }),
    eventStreams: new Gauge({
      name: 'spokecast_hub_event_streams',
      help: 'Streams of events that are open.',
      registers,
    }),
    eventStreamsEnded: new Counter({
      name: 'spokecast_hub_event_streams_ended_total',
      help: 'Streams of events that ended, by reason: `left` by the reader, else as the last event says.',
      labelNames: ['reason'],
      registers,
    }),
    logins: new Counter({
      name: 'spokecast_hub_logins_total',
      help: 'Checks of application keys, by outcome.',
      labelNames: ['outcome'],
      registers,
    }),
    passwordChecks: new Counter({
      name: 'spokecast_hub_password_checks_total',
      help: 'Passwords that were compared with a hash, by outcome; `wrong` also where there is no such account.',
      labelNames: ['outcome'],
      registers,
    }),
    signIns: new Counter({
      name: 'spokecast_hub_sign_ins_total',
      help: 'Attempts of people to sign in, by how and outcome.',
      labelNames: ['how', 'outcome'],
      registers,
    }),
    databaseErrors: new Counter({
      name: 'spokecast_hub_database_errors_total',
      help: 'Requests that failed because of the database, by kind of fault.',
      labelNames: ['fault'],
      registers,
    }),
    storeReads: new Counter({
      name: 'spokecast_hub_store_reads_total',
      help: "Reads of regions' stores for GET /v1/contexts, by outcome.",
      labelNames: ['region', 'outcome'],
      registers,
    }),
    hintsFailed: new Counter({
      name: 'spokecast_hub_hints_failed_total',
      help: 'Times that relays and event streams could not be told of changes that had committed: their polls find them, up to half a second later.',
      registers,
    }),
    watch: (loop) => void loops.push(loop),
  };
}
