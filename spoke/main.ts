import { once } from 'node:events';
import { systemClock } from '../contexts/base/clock.ts';
import { createLogger, type Logger } from '../contexts/base/log.ts';
import { ConfigurationError, type Environment } from '../contexts/base/options.ts';
import { onHangup, untilSignalled } from '../contexts/base/process.ts';
import { systemRandom } from '../contexts/base/random.ts';
import { StoreError } from '../contexts/store.ts';
import { DynamoStore } from '../contexts/stores/dynamodb.ts';
import manifest from '../package.json' with { type: 'json' };
import { type GatewayConfig, gatewayOptions, readConfig } from './config.ts';
import { SnapshotFiles } from './snapshot/files.ts';
import { startShadow as startShadowOf } from './snapshot/shadow-process.ts';
import { type SnapshotShelf, UnusableShelf } from './snapshot/shelf.ts';
import { Gateway } from './wire.ts';
import { GroupLink, processChannel } from './workers/group-link.ts';
import { groupMain } from './workers/group-main.ts';
import { shareOf } from './workers/share.ts';

/**
 * Runs a gateway until it is signalled, and resolves with the exit code.
 * @throws ConfigurationError when an option is wrong, or the configured table turns out to be another's.
 */
export async function main(environment: Environment, known: readonly string[]): Promise<number> {
  const configured = readConfig(environment, known);
  const { worker } = configured;
  const config = worker === undefined ? configured : shareOf(configured);
  const { region, storeEndpoint, storeAwsRegion, storeTable, storeTimeoutMs, logLevel } = config;
  const signalled = untilSignalled();
  const log = createLogger({ service: 'gateway', level: logLevel, region, worker });
  const store = DynamoStore.connect({
    table: storeTable,
    endpoint: storeEndpoint,
    awsRegion: storeAwsRegion,
    requestTimeoutMs: storeTimeoutMs,
    connectionTimeoutMs: storeTimeoutMs,
    clock: systemClock,
    random: systemRandom,
  });
  const build = manifest.version;
  const isGroup = config.workers > 1 && worker === undefined && config.shadowSocket === undefined;
  if (isGroup) return groupMain({ config, environment, store, log, build, signalled });
  const link = worker === undefined ? undefined : linkOf(config, log);
  const shelf = await openShelf(config, build);
  const accessLog =
    config.accessLog === 'off'
      ? log
      : createLogger({ service: 'gateway-access', level: 'info', region, buffered: true });
  const parts = { config, store, clock: systemClock, random: systemRandom, log, accessLog, build };
  const slot = shelf instanceof SnapshotFiles ? shelf.slot : undefined;
  const isRehearsed = slot !== undefined && config.rehearsalEveryMs > 0 && config.shadowSlot === undefined;
  const shadowParts = { environment, clock: systemClock, readyWithinMs: 30_000 };
  const startShadow = isRehearsed
    ? (signal: AbortSignal) => startShadowOf({ ...shadowParts, slot, signal })
    : undefined;
  await using gateway = new Gateway({ ...parts, shelf, startShadow, group: link });
  gateway.metrics.watchProcess();
  onHangup(() => hungUp(gateway, config, log));
  gateway.start();
  await gateway.booted;
  const url = link === undefined ? await gateway.listen() : undefined;
  link?.serve(gateway, config.shadowSlot === undefined ? slot : undefined);
  const { status, reasons } = gateway.readiness();
  log.info(
    { url, id: gateway.id, status, reasons },
    link ? 'booted' : 'listening; not ready until the store was seen, or a snapshot',
  );

  const identified = gateway.identified.then(
    (identity) => {
      log.info({ url, id: gateway.id, incarnation: identity.incarnation, whole: identity.whole }, 'ready');
      return undefined;
    },
    (error) => foreignTable(error, storeTable),
  );
  const mistaken = (async () => (await identified) ?? (await signalled))();
  const orphaned =
    config.shadowSocket === undefined ? [] : [once(process.stdin.resume(), 'end').then(() => 'orphaned')];
  const retired = link ? [link.retired] : [];
  const ended = await Promise.race([signalled, mistaken, ...orphaned, ...retired]);
  if (ended instanceof ConfigurationError) throw ended;
  log.info(typeof ended === 'object' ? ended : { signal: ended }, 'stopping');
  await gateway.stop(typeof ended === 'object' ? ended : {});
  await link?.[Symbol.asyncDispose]();
  log.info('stopped');
  return 0;
}

/** A SIGHUP ends nobody, and a worker outlives one that was meant for all of its group, which follows it up. */
function hungUp(gateway: Gateway, { tlsCertFile, worker }: GatewayConfig, log: Logger): void {
  gateway.reloadCertificate();
  if (tlsCertFile !== undefined) log.info('SIGHUP: looking at the certificate files');
  else if (worker === undefined)
    log.info('SIGHUP: there is nothing to read again; settings are taken when a gateway starts');
}

function linkOf({ shadowSlot }: GatewayConfig, log: Logger): GroupLink {
  return new GroupLink({
    ...{ channel: processChannel(), clock: systemClock, tellsHeld: shadowSlot !== undefined },
    onError: (error) => log.error({ err: error }, 'a mistake of ours in the link to the group'),
  });
}

/** Where the snapshot is kept. A directory that cannot be used is no reason not to start: readiness tells of it. */
async function openShelf(config: GatewayConfig, build: string): Promise<SnapshotShelf | undefined> {
  const { snapshotDir: directory, snapshotKeys: signing, snapshotEncryptionKeys: encryption } = config;
  if (directory === undefined) return undefined;
  try {
    const keys = { signing, encryption };
    return await SnapshotFiles.open({
      ...{ directory, keys, build, random: systemRandom, readOnlySlot: config.shadowSlot },
    });
  } catch (error) {
    return new UnusableShelf(error);
  }
}

function foreignTable(error: unknown, table: string): ConfigurationError {
  const why = error instanceof StoreError ? error.message : String(error);
  return new ConfigurationError([`${gatewayOptions.storeTable.env}=${table}: ${why}`]);
}
