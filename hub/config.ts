import { z } from 'zod';
import {
  type Environment,
  type OptionValues,
  option,
  parseOptions,
  printableOptions,
  value,
} from '../contexts/base/options.ts';
import { limits } from '../contexts/limits.ts';
import { isLoopback } from './auth/site.ts';

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
  publicUrl: option({
    env: 'SPOKECAST_PUBLIC_URL',
    schema: z
      .string()
      .refine(isOrigin, 'must be https://host or https://host:port, or http:// with a loopback host')
      .transform((text) => new URL(text).origin),
    optional: true,
    doc: 'Where browsers reach the hub, as https://host: for cookies, links and the check that a request comes from its own pages. Without it people can sign in at http://localhost only.',
  }),
  sessionIdleMs: option({
    env: 'SPOKECAST_SESSION_IDLE_MS',
    schema: value.integer(10_000, 2_592_000_000),
    default: '3600000',
    doc: 'Milliseconds without a request after which a browser is signed out.',
  }),
  sessionMs: option({
    env: 'SPOKECAST_SESSION_MS',
    schema: value.integer(10_000, 2_592_000_000),
    default: '86400000',
    doc: 'Milliseconds after signing in after which a browser is signed out, however much it is used.',
  }),
  setUpLinkMs: option({
    env: 'SPOKECAST_SET_UP_LINK_MS',
    schema: value.integer(60_000, 604_800_000),
    default: '3600000',
    doc: 'Milliseconds for which the link works that a hub without people prints when it starts.',
  }),
  invitationMs: option({
    env: 'SPOKECAST_INVITATION_MS',
    schema: value.integer(60_000, 2_592_000_000),
    default: '604800000',
    doc: 'Milliseconds for which an invitation can be accepted.',
  }),
  passwordResetMs: option({
    env: 'SPOKECAST_PASSWORD_RESET_MS',
    schema: value.integer(60_000, 604_800_000),
    default: '3600000',
    doc: 'Milliseconds for which a link to a new password works.',
  }),
  passwordChecksMax: option({
    env: 'SPOKECAST_PASSWORD_CHECKS_MAX',
    schema: value.integer(1, 64),
    default: '2',
    doc: 'Passwords hashed at the same time at the most. Each takes 19 MiB of memory and some tens of milliseconds of a core; as many again times eight may wait, more are refused with 503.',
  }),
  proxyHops: option({
    env: 'SPOKECAST_PROXY_HOPS',
    schema: value.integer(0, 8),
    default: '0',
    doc: 'Proxies in front of the hub that append to x-forwarded-for; 0 takes the address of the connection.',
  }),
};

/** An origin whose cookies a browser keeps to itself: https, or this machine. */
function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  if (!url || url.username || url.password || url.pathname !== '/' || url.search || url.hash) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

export type HubConfig = OptionValues<typeof hubOptions>;

/** @throws ConfigurationError naming every mistake. */
export function readConfig(environment: Environment, known: readonly string[]): HubConfig {
  return parseOptions(hubOptions, environment, known);
}

export const printableConfig = (config: HubConfig) => printableOptions(hubOptions, config);
