import {
  type Environment,
  type OptionValues,
  option,
  parseOptions,
  printableOptions,
  value,
} from '../contexts/base/options.ts';
import { limits } from '../contexts/limits.ts';

/** Every option of the hub. */
export const hubOptions = {
  databaseUrl: option({
    env: 'DATABASE_URL',
    schema: value.url(['postgres', 'postgresql']),
    doc: 'The Postgres database of the hub, as a postgres:// URL. It must be migrated (`spokecast migrate`).',
    secret: true,
  }),
  acceptNewerSchema: option({
    env: 'SPOKECAST_ACCEPT_NEWER_SCHEMA',
    schema: value.flag(),
    default: 'false',
    doc: 'true works on a database that a newer version has migrated, instead of refusing: for going back from an upgrade whose migrations only added.',
  }),
  environment: option({
    env: 'SPOKECAST_ENV',
    schema: value.matching(/^[a-z0-9-]{1,32}$/, 'made of 1 to 32 characters a-z, 0-9 and -'),
    default: 'dev',
    doc: 'The environment whose stores the hub looks into; a store of another one is refused.',
  }),
  host: option({
    env: 'SPOKECAST_HOST',
    schema: value.text('an address to listen on'),
    default: '0.0.0.0',
    doc: 'The address to listen on.',
  }),
  port: option({
    env: 'SPOKECAST_PORT',
    schema: value.integer(0, 65_535),
    default: '4000',
    doc: 'The port to listen on; 0 for any free one.',
  }),
  logLevel: option({
    env: 'SPOKECAST_LOG_LEVEL',
    schema: value.oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    default: 'info',
    doc: 'The least severe log lines that are written.',
  }),
  databaseConnectionsMax: option({
    env: 'SPOKECAST_DATABASE_CONNECTIONS_MAX',
    schema: value.integer(1, 200),
    default: '10',
    doc: 'Connections to Postgres at the most.',
  }),
  requestsInFlightMax: option({
    env: 'SPOKECAST_REQUESTS_IN_FLIGHT_MAX',
    schema: value.integer(1, 10_000),
    default: '256',
    doc: 'API requests answered at the same time at the most; more are refused with 503.',
  }),
  waitsMax: option({
    env: 'SPOKECAST_WAITS_MAX',
    schema: value.integer(1, 10_000),
    default: '100',
    doc: 'Requests that wait for regions at the same time at the most; more are refused with 503 before they change anything.',
  }),
  gatewayForgetMs: option({
    env: 'SPOKECAST_GATEWAY_FORGET_MS',
    schema: value.integer(1000, 604_800_000),
    default: String(limits.gatewayForgetMsDefault),
    doc: 'As for publishers, which forget the gateway: to say for how long a fence still waits for one that stopped reporting without a word.',
  }),
  requestTimeoutMs: option({
    env: 'SPOKECAST_REQUEST_TIMEOUT_MS',
    schema: value.integer(100, 120_000),
    default: '15000',
    doc: 'Milliseconds after which a request that is not answered is answered with 503.',
  }),
  shutdownTimeoutMs: option({
    env: 'SPOKECAST_SHUTDOWN_TIMEOUT_MS',
    schema: value.integer(0, 120_000),
    default: '10000',
    doc: 'Milliseconds that requests under way are given when the hub stops.',
  }),
  failedLoginsMax: option({
    env: 'SPOKECAST_FAILED_LOGINS_MAX',
    schema: value.integer(1, 100_000),
    default: '20',
    doc: 'Failed logins a minute, per source address and per key, before 429.',
  }),
  keyCacheMs: option({
    env: 'SPOKECAST_KEY_CACHE_MS',
    schema: value.integer(1, 60_000),
    default: '5000',
    doc: 'Milliseconds for which an application key is remembered: how long a revocation through another hub may take.',
  }),
  storeTimeoutMs: option({
    env: 'SPOKECAST_STORE_READ_TIMEOUT_MS',
    schema: value.integer(10, 30_000),
    default: '1000',
    doc: "Milliseconds a region's store is given to answer GET /v1/contexts.",
  }),
  idempotencyHours: option({
    env: 'SPOKECAST_IDEMPOTENCY_HOURS',
    schema: value.integer(1, 720),
    default: '24',
    doc: 'Hours for which the answer to an Idempotency-Key is kept. Later the same key makes a new request.',
  }),
  undeleteDays: option({
    env: 'SPOKECAST_UNDELETE_DAYS',
    schema: value.integer(0, 3650),
    default: '30',
    doc: 'Days for which deleted tenants and clusters can be brought back; 0 keeps nothing of them.',
  }),
  proxyHops: option({
    env: 'SPOKECAST_PROXY_HOPS',
    schema: value.integer(0, 8),
    default: '0',
    doc: 'Proxies in front of the hub that append to x-forwarded-for; 0 takes the address of the connection.',
  }),
};

export type HubConfig = OptionValues<typeof hubOptions>;

/** @throws ConfigurationError naming every mistake. */
export function readConfig(environment: Environment, known: readonly string[]): HubConfig {
  return parseOptions(hubOptions, environment, known);
}

export const printableConfig = (config: HubConfig) => printableOptions(hubOptions, config);
