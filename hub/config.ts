import { z } from 'zod';
import {
  ConfigurationError,
  type Environment,
  type OptionValues,
  option,
  parseOptions,
  printableOptions,
  value,
} from '../contexts/base/options.ts';
import { limits } from '../contexts/limits.ts';
import type { Role } from './auth/actor.ts';
import { isLoopback } from './auth/site.ts';
import { addressOptions } from './db/address.ts';

/** What commands that work on the hub's database directly share with it. */
export { addressOf, addressOptions, commandAddressOf, type DatabaseAddress } from './db/address.ts';

/** Every option of the hub. */
export const hubOptions = {
  databaseUrl: option({
    env: 'DATABASE_URL',
    schema: value.databaseUrl(),
    doc: 'The Postgres database of the hub, as a postgres:// URL. It must be migrated (`spokecast migrate`).',
    secret: true,
  }),
  ...addressOptions,
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
    doc: 'Connections to Postgres at the most, but for one on which others are told of changes.',
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
    doc: 'Requests that wait for regions at the same time at the most, a quarter of them of one tenant; more are refused with 503 before they change anything.',
  }),
  eventStreamsMax: option({
    env: 'SPOKECAST_EVENT_STREAMS_MAX',
    schema: value.integer(1, 10_000),
    default: '100',
    doc: 'Streams of events (GET /v1/events) open at the same time at the most, a quarter of them for one tenant; more are refused with 503.',
  }),
  eventHeartbeatMs: option({
    env: 'SPOKECAST_EVENT_HEARTBEAT_MS',
    schema: value.integer(10, 120_000),
    default: '15000',
    doc: 'Milliseconds of silence after which a stream of events is sent a comment; below the idle timeout of every proxy in between.',
  }),
  eventUnreadMs: option({
    env: 'SPOKECAST_EVENT_UNREAD_MS',
    schema: value.integer(10, 600_000),
    default: '30000',
    doc: 'Milliseconds for which a stream of events may leave unread what it was sent; then it is ended, and may be gone on with.',
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
  drainMs: option({
    env: 'SPOKECAST_DRAIN_MS',
    schema: value.integer(0, 120_000),
    default: '0',
    doc: 'Milliseconds for which a hub that was told to end answers as before, but for /readyz, which says no: until load balancers have noticed.',
  }),
  failedLoginsMax: option({
    env: 'SPOKECAST_FAILED_LOGINS_MAX',
    schema: value.integer(1, 100_000),
    default: '20',
    doc: 'Failed logins before 429: with application keys, a minute, per source address and per key, at each hub; with passwords, a quarter of an hour, per source address and per account, at all hubs together.',
  }),
  keyRequestsMax: option({
    env: 'SPOKECAST_KEY_REQUESTS_MAX',
    schema: value.integer(0, 10_000_000),
    default: '60000',
    doc: 'Requests of one application key a minute, at each hub, before 429; as many at once after a rest. 0: no limit.',
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
  oidcIssuer: option({
    env: 'SPOKECAST_OIDC_ISSUER',
    schema: z.string().refine(isIssuer, 'must be an https:// URL, or http:// with a loopback host'),
    optional: true,
    doc: 'The OpenID provider that people may sign in at, as its discovery document names itself. The redirect URI to register there is SPOKECAST_PUBLIC_URL with /login/oidc/callback.',
  }),
  oidcClientId: option({
    env: 'SPOKECAST_OIDC_CLIENT_ID',
    schema: value.text('the id that the provider gave this hub'),
    optional: true,
    doc: 'What the OpenID provider knows this hub as.',
  }),
  oidcClientSecret: option({
    env: 'SPOKECAST_OIDC_CLIENT_SECRET',
    schema: value.text('the secret that the provider gave this hub'),
    optional: true,
    doc: 'The secret that goes with the client id. Without it, and without a file, the hub is a public client (PKCE is used in any case).',
    secret: true,
  }),
  oidcClientSecretFile: option({
    env: 'SPOKECAST_OIDC_CLIENT_SECRET_FILE',
    schema: value.text('a path'),
    optional: true,
    doc: 'A file that holds the secret instead; it is read again within an hour of a change.',
  }),
  oidcName: option({
    env: 'SPOKECAST_OIDC_NAME',
    schema: value.text('a name'),
    default: 'single sign-on',
    doc: 'What the sign-in page calls the OpenID provider.',
  }),
  oidcDomains: option({
    env: 'SPOKECAST_OIDC_DOMAINS',
    schema: z
      .string()
      .transform((text) => text.split(',').map((domain) => domain.trim().toLowerCase()))
      .refine(
        (domains) => domains.every((domain) => /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(domain)),
        'must be domains, with commas between them',
      ),
    optional: true,
    doc: 'Domains, with commas between them: who comes from the OpenID provider must have a verified address in one of them.',
  }),
  oidcNewPeople: option({
    env: 'SPOKECAST_OIDC_NEW_PEOPLE',
    schema: z
      .string()
      .regex(
        /^(platform|ten_[0-9a-hjkmnp-tv-z]{26}):(owner|admin|viewer)$/,
        'must be platform:viewer, or ten_...:admin, and the like',
      )
      .transform((text) => {
        const [scope, role] = text.split(':') as [string, Role];
        return { tenantId: scope === 'platform' ? null : scope, role };
      }),
    optional: true,
    doc: 'What becomes of somebody with a verified address whom the OpenID provider knows and nobody has invited, as platform:viewer or ten_...:viewer. Without it they are not let in. With it, set SPOKECAST_OIDC_DOMAINS too unless everybody at the provider is yours.',
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
  const config = parseOptions(hubOptions, environment, known);
  const problems = oidcMistakes(config);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return config;
}

/** What only shows when the options of the OpenID provider are looked at together. */
function oidcMistakes(config: HubConfig): string[] {
  const { oidcIssuer, oidcClientId, oidcClientSecret, oidcClientSecretFile, oidcDomains, oidcNewPeople } =
    config;
  const alone = [oidcClientId, oidcClientSecret, oidcClientSecretFile, oidcDomains, oidcNewPeople];
  const problems: string[] = [];
  if (oidcIssuer === undefined && alone.some((one) => one !== undefined))
    problems.push('SPOKECAST_OIDC_ISSUER is required where another option of the OpenID provider is set');
  if (oidcIssuer !== undefined && oidcClientId === undefined)
    problems.push('SPOKECAST_OIDC_CLIENT_ID is required with SPOKECAST_OIDC_ISSUER');
  if (oidcClientSecret !== undefined && oidcClientSecretFile !== undefined)
    problems.push(
      'SPOKECAST_OIDC_CLIENT_SECRET and SPOKECAST_OIDC_CLIENT_SECRET_FILE are both set: keep one',
    );
  return problems;
}

function isIssuer(text: string): boolean {
  const url = URL.parse(text);
  if (!url || url.search || url.hash || url.username) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

export const printableConfig = (config: HubConfig) => printableOptions(hubOptions, config);
