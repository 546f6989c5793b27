import {
  ConfigurationError,
  type Environment,
  type OptionTable,
  type OptionValues,
  option,
  parseOptions,
  value,
} from '../contexts/base/options.ts';
import { retentionProblems } from '../contexts/retentions.ts';
import { importedKeysChoices } from './credentials.ts';
import { doorOptions } from './door-options.ts';
import { networks } from './forward/trusted-proxies.ts';
import { observerOptions } from './observer-options.ts';
import { milliseconds, snapshotKeys } from './option-values.ts';
import { upstreamOptions } from './upstream-options.ts';

const name = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** Everything a gateway can be told. This file alone reads the environment. */
export const gatewayOptions = {
  environment: option({
    env: 'SPOKECAST_ENV',
    schema: value.matching(name, 'lower-case letters, digits and hyphens'),
    default: 'dev',
    doc: 'The environment this gateway belongs to. A table of another environment is refused.',
  }),
  region: option({
    env: 'SPOKECAST_REGION',
    schema: value.matching(name, 'lower-case letters, digits and hyphens'),
    doc: 'The region this gateway serves. A table of another region is refused.',
  }),
  port: option({
    env: 'SPOKECAST_PORT',
    schema: value.integer(0, 65_535),
    default: '4101',
    doc: 'The TCP port to listen on; 0 for any free one.',
  }),
  host: option({
    env: 'SPOKECAST_HOST',
    schema: value.text('an address'),
    default: '0.0.0.0',
    doc: 'The address to listen on.',
  }),
  storeEndpoint: option({
    env: 'SPOKECAST_STORE_ENDPOINT',
    schema: value.url(['http', 'https']),
    optional: true,
    doc: "The URL of the region's store, where it is not AWS DynamoDB.",
  }),
  storeAwsRegion: option({
    env: 'SPOKECAST_STORE_AWS_REGION',
    schema: value.text('a name'),
    optional: true,
    doc: 'The AWS region of the store, where it is AWS DynamoDB.',
  }),
  storeTable: option({
    env: 'SPOKECAST_STORE_TABLE',
    schema: value.matching(/^[A-Za-z0-9_.-]{3,255}$/, '3 to 255 letters, digits and _ . -'),
    optional: true,
    doc: "The store's table; spokecast-<environment>-<region> where it is not given.",
  }),
  storeTimeoutMs: option({
    env: 'SPOKECAST_STORE_TIMEOUT_MS',
    schema: milliseconds(10, 60_000),
    default: '1500',
    doc: 'Milliseconds after which an operation of the store counts as failed.',
  }),
  feedPollMs: option({
    env: 'SPOKECAST_FEED_POLL_MS',
    schema: milliseconds(1, 60_000),
    default: '50',
    doc: 'Milliseconds between two looks at the feed. Every gateway makes one consistent read each time.',
  }),
  statusEveryMs: option({
    env: 'SPOKECAST_STATUS_EVERY_MS',
    schema: milliseconds(100, 600_000),
    default: '5000',
    doc: 'Milliseconds between two reports of this gateway to the store while nothing changes.',
  }),
  statusSoonMs: option({
    env: 'SPOKECAST_STATUS_SOON_MS',
    schema: milliseconds(10, 600_000),
    default: '200',
    doc: 'Milliseconds between two reports at the least while changes arrive, each of which is reported. Every report is one small write.',
  }),
  keyUsesEveryMs: option({
    env: 'SPOKECAST_KEY_USES_EVERY_MS',
    schema: milliseconds(0, 86_400_000),
    default: '600000',
    doc: 'Milliseconds between two reports to the store of the agent keys that were used: a small write for each thousand of them. So exact is what the hub knows of their last use. 0 for no reports.',
  }),
  cacheEntriesMax: option({
    env: 'SPOKECAST_CACHE_ENTRIES_MAX',
    schema: value.integer(1, 10_000_000),
    default: '200000',
    doc: 'Contexts held in memory at the most.',
  }),
  cacheBytesMax: option({
    env: 'SPOKECAST_CACHE_BYTES_MAX',
    schema: value.integer(100_000, 64 * 1024 ** 3),
    default: String(256 * 1024 * 1024),
    doc: 'Bytes these contexts may take together, as estimated.',
  }),
  cacheNegativesMax: option({
    env: 'SPOKECAST_CACHE_NEGATIVES_MAX',
    schema: value.integer(1, 10_000_000),
    default: '100000',
    doc: 'Absences and tombstones held in memory at the most.',
  }),
  cacheFreshMs: option({
    env: 'SPOKECAST_CACHE_FRESH_MS',
    schema: milliseconds(1_000),
    optional: true,
    doc:
      'Age in milliseconds up to which no context is read again unless it was announced; three quarters of ' +
      'SPOKECAST_CACHE_REFRESH_MS where it is not given.',
  }),
  cacheRefreshMs: option({
    env: 'SPOKECAST_CACHE_REFRESH_MS',
    schema: milliseconds(1_000),
    default: '240000',
    doc:
      'Age in milliseconds by which a context that is asked for is read again behind the scenes: each at a moment ' +
      'of its own between the two.',
  }),
  cacheStaleMs: option({
    env: 'SPOKECAST_CACHE_STALE_MS',
    schema: milliseconds(1_000),
    default: '600000',
    doc: 'Age in milliseconds from which a context is counted as stale. It is served all the same.',
  }),
  cacheAbsentMs: option({
    env: 'SPOKECAST_CACHE_ABSENT_MS',
    schema: milliseconds(1_000),
    default: '60000',
    doc: 'Age in milliseconds at which an absence that is asked for is read again behind the scenes.',
  }),
  unknownPerSecond: option({
    env: 'SPOKECAST_UNKNOWN_PER_SECOND',
    schema: value.integer(1, 1_000_000),
    default: '500',
    doc: 'Keys nobody here has heard of that are read from the store in a second; more are answered with 503. Keys that a census found are not among them.',
  }),
  unknownBurst: option({
    env: 'SPOKECAST_UNKNOWN_BURST',
    schema: value.integer(1, 1_000_000),
    default: '2000',
    doc: 'How many of these may come at once after a quiet time.',
  }),
  knownKeysMax: option({
    env: 'SPOKECAST_KNOWN_KEYS_MAX',
    schema: value.integer(0, 100_000_000),
    default: '1000000',
    doc: 'Agent keys of the region that this gateway can tell from made-up ones, two bytes of memory each. They are read once after the start. With more of them ever more made-up ones pass for known; 0 for no census.',
  }),
  importedKeys: option({
    env: 'SPOKECAST_IMPORTED_KEYS',
    schema: value.oneOf(importedKeysChoices),
    default: 'refused',
    doc: 'What is made of secrets that have not the form of an agent key: refused at once, or looked-up by their hash among the keys that were imported. Each one nobody here has heard of is then read from the store, within SPOKECAST_UNKNOWN_PER_SECOND.',
  }),
  fillWaitMs: option({
    env: 'SPOKECAST_FILL_WAIT_MS',
    schema: milliseconds(10, 60_000),
    default: '2000',
    doc: 'Milliseconds a request waits for the store before it is answered with 503.',
  }),
  tlsCertFile: option({
    env: 'SPOKECAST_TLS_CERT_FILE',
    schema: value.text('a path'),
    optional: true,
    doc: 'The PEM file of the certificate to serve, with its chain. Given, nothing but TLS is spoken.',
  }),
  tlsKeyFile: option({
    env: 'SPOKECAST_TLS_KEY_FILE',
    schema: value.text('a path'),
    optional: true,
    doc: 'The PEM file of its private key.',
  }),
  tlsClientCaFile: option({
    env: 'SPOKECAST_TLS_CLIENT_CA_FILE',
    schema: value.text('a path'),
    optional: true,
    doc: 'The PEM file of the authorities of clients. Given, every client must show a certificate (mutual TLS).',
  }),
  tlsReloadMs: option({
    env: 'SPOKECAST_TLS_RELOAD_MS',
    schema: milliseconds(10, 86_400_000),
    default: '10000',
    doc: 'Milliseconds between two looks at these files, whose changes are taken without a restart. SIGHUP looks at once.',
  }),
  ...doorOptions,
  forwardsMax: option({
    env: 'SPOKECAST_FORWARDS_MAX',
    schema: value.integer(1, 1_000_000),
    default: '2048',
    doc: 'Requests being forwarded at the same time.',
  }),
  ...upstreamOptions,
  tunnelsMax: option({
    env: 'SPOKECAST_TUNNELS_MAX',
    schema: value.integer(0, 1_000_000),
    default: '2048',
    doc: 'WebSocket connections carried to upstreams at the same time.',
  }),
  tunnelIdleTimeoutMs: option({
    env: 'SPOKECAST_TUNNEL_IDLE_TIMEOUT_MS',
    schema: milliseconds(10, 86_400_000),
    default: '3600000',
    doc: 'Milliseconds for which such a connection may be silent.',
  }),
  rateLimitedKeysMax: option({
    env: 'SPOKECAST_RATE_LIMITED_KEYS_MAX',
    schema: value.integer(1, 10_000_000),
    default: '100000',
    doc: 'Agent keys with a rate limit whose requests are counted at a time; of more, those that were used longest ago begin anew. Some 200 bytes each.',
  }),
  trustedProxies: option({
    env: 'SPOKECAST_TRUSTED_PROXIES',
    schema: networks,
    default: '127.0.0.0/8,::1/128',
    doc: 'Networks, by commas, of the proxies before this gateway. Only what they say in x-forwarded-* and Forwarded is handed on, and believed where a key may be used from some networks only; none trusts nobody.',
  }),
  keepAliveMs: option({
    env: 'SPOKECAST_KEEP_ALIVE_MS',
    schema: milliseconds(0, 3_600_000),
    default: '75000',
    doc: 'Milliseconds for which an idle client connection is kept. Longer than the load balancer before it keeps one.',
  }),
  shutdownMs: option({
    env: 'SPOKECAST_SHUTDOWN_MS',
    schema: milliseconds(0, 600_000),
    default: '10000',
    doc: 'Milliseconds that requests under way have to end after the process was asked to.',
  }),
  snapshotDir: option({
    env: 'SPOKECAST_SNAPSHOT_DIR',
    schema: value.text('a directory'),
    optional: true,
    doc: 'A directory of this machine to keep what is held in memory, so that a restarted gateway answers though its store is gone. Without it nothing is kept.',
  }),
  snapshotKeys: option({
    env: 'SPOKECAST_SNAPSHOT_KEY',
    schema: snapshotKeys,
    optional: true,
    secret: true,
    doc: 'The key that signs snapshots: 32 bytes in hex or base64, or several with a comma between, of which the first signs and each is believed. Without it the gateway makes one, and keeps it in the directory.',
  }),
  snapshotEncryptionKeys: option({
    env: 'SPOKECAST_SNAPSHOT_ENCRYPTION_KEY',
    schema: snapshotKeys,
    optional: true,
    secret: true,
    doc: 'The key that encrypts snapshots, in the same form. Without it they are written in clear, readable by the user of the gateway alone.',
  }),
  snapshotEveryMs: option({
    env: 'SPOKECAST_SNAPSHOT_EVERY_MS',
    schema: milliseconds(100),
    default: '30000',
    doc: 'Milliseconds between two snapshots at the least. What changes in between is in a journal at once.',
  }),
  snapshotFreshMs: option({
    env: 'SPOKECAST_SNAPSHOT_FRESH_MS',
    schema: milliseconds(0, 86_400_000 * 7),
    default: '300000',
    doc: 'Age in milliseconds up to which what a snapshot holds is served before the store was asked. What is older is served only while the store cannot be asked.',
  }),
  snapshotAgeMaxMs: option({
    env: 'SPOKECAST_SNAPSHOT_AGE_MAX_MS',
    schema: milliseconds(1_000, 86_400_000 * 365),
    default: String(6 * 86_400_000),
    doc: "Age in milliseconds from which a snapshot is refused. Keep it below the publishers' SPOKECAST_TOMBSTONE_RETENTION_MS, or what was revoked comes back with it while the store cannot be asked.",
  }),
  bootWaitMs: option({
    env: 'SPOKECAST_BOOT_WAIT_MS',
    schema: milliseconds(0, 60_000),
    default: '250',
    doc: 'Milliseconds a gateway that has a snapshot waits for its store before it answers from the snapshot alone.',
  }),
  rehearsalEveryMs: option({
    env: 'SPOKECAST_REHEARSAL_EVERY_MS',
    schema: milliseconds(0),
    default: '600000',
    doc: 'Milliseconds between two rehearsals: a process without network boots from the snapshot, and its answers are compared. 0 for none.',
  }),
  shadowSocket: option({
    env: 'SPOKECAST_SHADOW_SOCKET',
    schema: value.text('a path'),
    optional: true,
    doc: 'Set by a rehearsal for the process that it starts: the socket to listen at. Not for people.',
  }),
  shadowSlot: option({
    env: 'SPOKECAST_SHADOW_SLOT',
    schema: value.text('a path'),
    optional: true,
    doc: 'Set by a rehearsal for the process that it starts: where the snapshot is, which it only reads. Not for people.',
  }),
  warm: option({
    env: 'SPOKECAST_WARM',
    schema: value.oneOf(['on-demand', 'all']),
    default: 'on-demand',
    doc: 'What is read before the gateway is ready: nothing, or the whole region.',
  }),
  workers: option({
    env: 'SPOKECAST_WORKERS',
    schema: value.integer(1, 64),
    default: '1',
    doc: 'Processes that share the port and answer as one gateway. As many as the gateway is to have cores.',
  }),
  worker: option({
    env: 'SPOKECAST_WORKER',
    schema: value.integer(0, Number.MAX_SAFE_INTEGER),
    optional: true,
    doc: 'Set by a gateway of several workers for each of them: its number. Not for people.',
  }),
  ...observerOptions,
  logLevel: option({
    env: 'SPOKECAST_LOG_LEVEL',
    schema: value.oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    default: 'info',
    doc: 'The least severe events that are logged.',
  }),
} satisfies OptionTable;

export type GatewayConfig = Omit<OptionValues<typeof gatewayOptions>, 'storeTable' | 'cacheFreshMs'> & {
  storeTable: string;
  cacheFreshMs: number;
};

/** @throws ConfigurationError naming every mistake. `known` are the variables of other services. */
export function readConfig(environment: Environment, known: readonly string[] = []): GatewayConfig {
  const values = parseOptions(gatewayOptions, environment, known);
  const { storeEndpoint, storeAwsRegion } = gatewayOptions;
  const derived = {
    storeTable: values.storeTable ?? `spokecast-${values.environment}-${values.region}`,
    cacheFreshMs: values.cacheFreshMs ?? Math.floor(values.cacheRefreshMs * 0.75),
  };
  const windows = { ...values, ...derived };
  const problems = retentionProblems({ snapshotMs: values.snapshotAgeMaxMs }, environment);
  for (const [lower, upper] of [
    ['cacheFreshMs', 'cacheRefreshMs'],
    ['cacheRefreshMs', 'cacheStaleMs'],
  ] as const) {
    if (windows[lower] > windows[upper])
      problems.push(
        `${gatewayOptions[lower].env}=${windows[lower]} must not be above ${gatewayOptions[upper].env}=${windows[upper]}`,
      );
  }
  if (!values.storeEndpoint && !values.storeAwsRegion && !environment.AWS_REGION)
    problems.push(
      `${storeEndpoint.env} or ${storeAwsRegion.env} must say where the region's store is (AWS_REGION would do too)`,
    );
  const { tlsCertFile, tlsKeyFile, tlsClientCaFile } = gatewayOptions;
  if ((values.tlsCertFile === undefined) !== (values.tlsKeyFile === undefined))
    problems.push(`${tlsCertFile.env} and ${tlsKeyFile.env} go together`);
  if (values.tlsClientCaFile !== undefined && values.tlsCertFile === undefined)
    problems.push(`${tlsClientCaFile.env} needs ${tlsCertFile.env}: clients show certificates over TLS only`);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return windows;
}
