import { systemClock } from '../../../contexts/base/clock.ts';
import { createLogger, type Logger } from '../../../contexts/base/log.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import type { Store } from '../../../contexts/store.ts';
import { MemoryStore } from '../../../contexts/stores/memory.ts';
import { MemoryTable } from '../../../contexts/stores/memory-table.ts';
import type { CacheSettings } from '../../../spoke/cache/settings.ts';
import { readConfig } from '../../../spoke/config.ts';
import { Gateway } from '../../../spoke/wire.ts';
import { ChaosStore } from '../../support/chaos-store.ts';
import { initialise, owner } from './contexts.ts';

export interface GatewayWorldOptions {
  environment?: Record<string, string>;
  cacheSettings?: Partial<CacheSettings>;
  accessLog?: Logger;
  log?: Logger;
}

/** A gateway that listens on a free port of this machine, over a store that the test owns a handle of. */
export async function startGateway(store: Store, options: GatewayWorldOptions = {}) {
  const config = readConfig({
    SPOKECAST_ENV: owner.environment,
    SPOKECAST_STORE_ENDPOINT: 'http://store.invalid',
    SPOKECAST_REGION: owner.region,
    SPOKECAST_HOST: '127.0.0.1',
    SPOKECAST_PORT: '0',
    SPOKECAST_FEED_POLL_MS: '10',
    SPOKECAST_SHUTDOWN_MS: '2000',
    SPOKECAST_UPSTREAM_LOOPBACK: 'allowed',
    ...options.environment,
  });
  const gateway = new Gateway({
    config,
    store,
    clock: systemClock,
    random: systemRandom,
    log: options.log ?? createLogger({ service: 'gateway', level: 'silent' }),
    build: 'test',
    ...(options.accessLog ? { accessLog: options.accessLog } : {}),
    ...(options.cacheSettings ? { cacheSettings: options.cacheSettings } : {}),
  });
  gateway.start();
  const url = await gateway.listen();
  return {
    gateway,
    url,
    /** Asks `/v1/authenticate` with a bearer token. */
    authenticate: (secret: string) =>
      fetch(`${url}/v1/authenticate`, { headers: { authorization: `Bearer ${secret}` } }),
    [Symbol.asyncDispose]: () => gateway.stop(),
  };
}

/** {@link startGateway} over a store in memory, with a table from the start if `initialised`. */
export async function gatewayWorld(options: GatewayWorldOptions & { initialised?: boolean } = {}) {
  const table = new MemoryTable();
  const store = new ChaosStore(new MemoryStore({ table }));
  if (options.initialised) await initialise(store);
  const started = await startGateway(store, options);
  return { ...started, store, table };
}
