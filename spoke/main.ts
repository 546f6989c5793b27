import { systemClock } from '../contexts/base/clock.ts';
import { createLogger } from '../contexts/base/log.ts';
import { ConfigurationError, type Environment } from '../contexts/base/options.ts';
import { onHangup, untilSignalled } from '../contexts/base/process.ts';
import { systemRandom } from '../contexts/base/random.ts';
import { StoreError } from '../contexts/store.ts';
import { DynamoStore } from '../contexts/stores/dynamodb.ts';
import manifest from '../package.json' with { type: 'json' };
import { gatewayOptions, readConfig } from './config.ts';
import { Gateway } from './wire.ts';

/**
 * Runs a gateway until it is signalled, and resolves with the exit code.
 * @throws ConfigurationError when an option is wrong, or the configured table turns out to be another's.
 */
export async function main(environment: Environment, known: readonly string[]): Promise<number> {
  const config = readConfig(environment, known);
  const { region, storeEndpoint, storeAwsRegion, storeTable, storeTimeoutMs, logLevel } = config;
  const signalled = untilSignalled();
  const log = createLogger({ service: 'gateway', level: logLevel, region });
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
  await using gateway = new Gateway({ config, store, clock: systemClock, random: systemRandom, log, build });
  gateway.metrics.watchProcess();
  gateway.start();
  if (config.tlsCertFile !== undefined) onHangup(() => gateway.reloadCertificate());
  const url = await gateway.listen();
  log.info({ url, id: gateway.id }, 'listening; not ready until the store was seen');

  const identified = gateway.identified.then(
    (identity) => {
      log.info({ url, id: gateway.id, incarnation: identity.incarnation, whole: identity.whole }, 'ready');
      return undefined;
    },
    (error) => foreignTable(error, storeTable),
  );
  const mistaken = (async () => (await identified) ?? (await signalled))();
  const ended = await Promise.race([signalled, mistaken]);
  if (ended instanceof ConfigurationError) throw ended;
  log.info({ signal: ended }, 'stopping');
  await gateway.stop();
  log.info('stopped');
  return 0;
}

function foreignTable(error: unknown, table: string): ConfigurationError {
  const why = error instanceof StoreError ? error.message : String(error);
  return new ConfigurationError([`${gatewayOptions.storeTable.env}=${table}: ${why}`]);
}
