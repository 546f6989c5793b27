import {
  ConfigurationError,
  type Environment,
  type OptionValues,
  option,
  parseOptions,
  value,
} from '../contexts/base/options.ts';
import { limits } from '../contexts/limits.ts';
import { retentionProblems } from '../contexts/retentions.ts';
import { addressOptions } from '../hub/db/address.ts';

/** Every option of the publisher; docs/reference/options.md is made from it. */
export const publisherOptions = {
  databaseUrl: option({
    env: 'DATABASE_URL',
    schema: value.databaseUrl(),
    doc: "The hub's Postgres.",
    secret: true,
  }),
  ...addressOptions,
  redisUrl: option({
    env: 'REDIS_URL',
    schema: value.url(['redis', 'rediss']),
    optional: true,
    doc: 'Redis for the job queues. Without it they live in Postgres, which is enough for about 20 regions.',
    secret: true,
  }),
  acceptNewerSchema: option({
    env: 'SPOKECAST_ACCEPT_NEWER_SCHEMA',
    schema: value.flag(),
    default: 'false',
    doc: 'true works on a database that a newer version has migrated, instead of refusing: for going back from an upgrade whose migrations only added.',
  }),
  shutdownTimeoutMs: option({
    env: 'SPOKECAST_SHUTDOWN_TIMEOUT_MS',
    schema: value.integer(0, 120_000),
    default: '4000',
    doc: 'Milliseconds that jobs in hand are given when the publisher stops. What is left is done again by another, or after the next start.',
  }),
  environment: option({
    env: 'SPOKECAST_ENV',
    schema: value.matching(/^[a-z0-9-]{1,20}$/, 'up to 20 lower-case letters, digits and dashes'),
    default: 'dev',
    doc: 'The environment. Queues and tables carry its name, and a table of another environment is refused.',
  }),
  host: option({
    env: 'SPOKECAST_HOST',
    schema: value.text('an address'),
    default: '0.0.0.0',
    doc: 'The address on which health and metrics are served.',
  }),
  port: option({
    env: 'SPOKECAST_PORT',
    schema: value.integer(0, 65535),
    default: '4001',
    doc: 'The port on which /healthz, /readyz and /metrics are served.',
  }),
  logLevel: option({
    env: 'SPOKECAST_LOG_LEVEL',
    schema: value.oneOf(['debug', 'info', 'warn', 'error']),
    default: 'info',
    doc: 'The least severe level that is logged.',
  }),
  sweepEveryMs: option({
    env: 'SPOKECAST_SWEEP_EVERY_MS',
    schema: value.integer(1000, 86_400_000),
    default: '600000',
    doc: 'Milliseconds between two scheduled sweeps of a region.',
  }),
  relayPollMs: option({
    env: 'SPOKECAST_RELAY_POLL_MS',
    schema: value.integer(10, 60_000),
    default: '500',
    doc: 'Milliseconds between two looks at the outbox when no notification came: how much later gateways hear of a change whose hub died before it told anybody.',
  }),
  relayLeaseMs: option({
    env: 'SPOKECAST_RELAY_LEASE_MS',
    schema: value.integer(1000, 600_000),
    default: '5000',
    doc: 'Milliseconds for which outbox rows a relay has claimed are hidden from other relays.',
  }),
  refreshConcurrency: option({
    env: 'SPOKECAST_REFRESH_CONCURRENCY',
    schema: value.integer(1, 64),
    default: '4',
    doc: 'Refresh jobs of one region at work at once in this process.',
  }),
  putConcurrency: option({
    env: 'SPOKECAST_PUT_CONCURRENCY',
    schema: value.integer(1, 256),
    default: '16',
    doc: 'Puts of one job in flight at once.',
  }),
  seedConcurrency: option({
    env: 'SPOKECAST_SEED_CONCURRENCY',
    schema: value.integer(1, 512),
    default: '64',
    doc: 'Puts in flight at once while a new table of a region is filled.',
  }),
  storeTimeoutMs: option({
    env: 'SPOKECAST_STORE_TIMEOUT_MS',
    schema: value.integer(50, 60_000),
    default: '2000',
    doc: "Milliseconds within which a region's store must answer a request.",
  }),
  breakerFailures: option({
    env: 'SPOKECAST_BREAKER_FAILURES',
    schema: value.integer(1, 1000),
    default: '5',
    doc: "Failures of a region's store in a row after which it is left alone until it answers a probe.",
  }),
  jobLockMs: option({
    env: 'SPOKECAST_JOB_LOCK_MS',
    schema: value.integer(2000, 600_000),
    default: '10000',
    doc: 'Milliseconds after which a job whose publisher died or froze is given to another.',
  }),
  settleMs: option({
    env: 'SPOKECAST_SWEEP_SETTLE_MS',
    schema: value.integer(0, 60_000),
    default: '250',
    doc: 'Milliseconds a sweep waits before it looks at a difference again: it may be a refresh under way.',
  }),
  heartbeatEveryMs: option({
    env: 'SPOKECAST_HEARTBEAT_EVERY_MS',
    schema: value.integer(0, 3_600_000),
    default: '10000',
    doc: 'Milliseconds between two heartbeats of a region: a context whose way to the gateways is measured when nothing else changes. 0 makes none.',
  }),
  tombstoneRetentionMs: option({
    env: 'SPOKECAST_TOMBSTONE_RETENTION_MS',
    schema: value.integer(3_600_000, 31_536_000_000),
    default: '604800000',
    doc: 'Milliseconds for which tombstones are kept. Must be above SPOKECAST_FEED_RETENTION_MS and the SPOKECAST_SNAPSHOT_AGE_MAX_MS of every gateway.',
  }),
  lossesPercent: option({
    env: 'SPOKECAST_LOSSES_PERCENT',
    schema: value.integer(0, 100),
    default: '10',
    doc: "Per cent of a region's contexts of one kind that may be deleted or turn to deny within the window without anybody having meant it. What is beyond is held.",
  }),
  lossesMin: option({
    env: 'SPOKECAST_LOSSES_MIN',
    schema: value.integer(0, 1_000_000_000),
    default: '20',
    doc: 'How many may, however few contexts there are.',
  }),
  lossesWindowMs: option({
    env: 'SPOKECAST_LOSSES_WINDOW_MS',
    schema: value.integer(1000, 86_400_000),
    default: '600000',
    doc: 'Milliseconds over which such losses are counted. All publishers should have the same.',
  }),
  feedRetentionMs: option({
    env: 'SPOKECAST_FEED_RETENTION_MS',
    schema: value.integer(60_000, 604_800_000),
    default: '3600000',
    doc: 'Milliseconds for which feed entries are kept. A gateway cut off from its store for longer revalidates all it holds.',
  }),
  collectEveryMs: option({
    env: 'SPOKECAST_COLLECT_EVERY_MS',
    schema: value.integer(100, 600_000),
    default: '5000',
    doc: "Milliseconds between two readings of what a region's gateways report into its store.",
  }),
  collectAwaitedEveryMs: option({
    env: 'SPOKECAST_COLLECT_AWAITED_EVERY_MS',
    schema: value.integer(10, 60_000),
    default: '50',
    doc: 'The same while somebody waits for a fence that concerns the region.',
  }),
  gatewayForgetMs: option({
    env: 'SPOKECAST_GATEWAY_FORGET_MS',
    schema: value.integer(1000, 604_800_000),
    default: String(limits.gatewayForgetMsDefault),
    doc: 'Milliseconds for which a gateway that stopped reporting without a word counts as unknown, and fences wait for it. Then it is forgotten. The same for hub and publishers.',
  }),
  auditDays: option({
    env: 'SPOKECAST_AUDIT_DAYS',
    schema: value.integer(0, 36_500),
    default: '0',
    doc: 'Days for which entries of the audit log are kept; 0 for ever.',
  }),
  sweepDays: option({
    env: 'SPOKECAST_SWEEP_DAYS',
    schema: value.integer(1, 3650),
    default: '30',
    doc: "Days for which sweeps are kept. Each region's last complete one is kept for longer.",
  }),
  fenceHours: option({
    env: 'SPOKECAST_FENCE_HOURS',
    schema: value.integer(1, 720),
    default: '24',
    doc: 'Hours for which fences are kept: how long after a change GET /v1/fences/{id} can tell how far it has come.',
  }),
  databaseConnectionsMax: option({
    env: 'SPOKECAST_DATABASE_CONNECTIONS_MAX',
    schema: value.integer(2, 200),
    default: '10',
    doc: 'Connections to Postgres for reading and relaying, at the most.',
  }),
  queueConnectionsMax: option({
    env: 'SPOKECAST_QUEUE_CONNECTIONS_MAX',
    schema: value.integer(10, 1000),
    default: '100',
    doc: 'Connections to Postgres for the queues, at the most, where they live there: two per region listen all the time.',
  }),
} as const;

export type PublisherConfig = OptionValues<typeof publisherOptions>;

/** @throws ConfigurationError naming every mistake. */
export function readConfig(environment: Environment, known: readonly string[]): PublisherConfig {
  const config = parseOptions(publisherOptions, environment, known);
  const { tombstoneRetentionMs: tombstoneMs, feedRetentionMs: feedMs } = config;
  const problems = retentionProblems({ tombstoneMs, feedMs }, environment);
  if (config.databasePooler === 'transaction' && !config.databaseDirectUrl && !config.redisUrl)
    problems.push(
      'SPOKECAST_DATABASE_DIRECT_URL or REDIS_URL is required with SPOKECAST_DATABASE_POOLER=transaction: job queues in Postgres need connections past the pooler',
    );
  if (problems.length > 0) throw new ConfigurationError(problems);
  return config;
}
