import { Registry } from 'prom-client';
import { systemClock } from '../../contexts/base/clock.ts';
import type { Logger } from '../../contexts/base/log.ts';
import { ConfigurationError, type Environment } from '../../contexts/base/options.ts';
import { onHangup } from '../../contexts/base/process.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { LocalRateLimiter } from '../../contexts/base/rate-limit/limiter.ts';
import type { Store } from '../../contexts/store.ts';
import { type GatewayConfig, gatewayOptions } from '../config.ts';
import { gatewayId, StatusWriter } from '../status.ts';
import { type Order, WorkerGroup } from './group.ts';
import { GroupMetrics } from './group-metrics.ts';
import { bindSocketWithin, type ListeningSocket } from './listening-socket.ts';
import { startWorker } from './worker-process.ts';

export interface GroupParts {
  config: GatewayConfig;
  environment: Environment;
  /** The region's store, for the group's status alone. The group owns it from here on. */
  store: Store;
  log: Logger;
  build: string;
  signalled: Promise<string>;
}

/** Runs a gateway of several workers until it is signalled, and resolves with the exit code. */
export async function groupMain({
  config,
  environment,
  store,
  log,
  build,
  signalled,
}: GroupParts): Promise<number> {
  const [clock, random] = [systemClock, systemRandom];
  const socket = await bind(config, log, signalled);
  if (socket === 'signalled') {
    await store[Symbol.asyncDispose]();
    return 0;
  }
  const id = gatewayId(random);
  const registry = new Registry();
  registry.setDefaultLabels({ region: config.region });
  const metrics = new GroupMetrics({
    ...{ registry, region: config.region },
    serving: () => group.serving,
    statusAgeMs: () => status.ageMs,
  });
  const group = new WorkerGroup({
    ...{ count: config.workers, keeps: config.snapshotDir !== undefined, socket, clock, log },
    limiter: new LocalRateLimiter({ clock, keysMax: config.rateLimitedKeysMax }),
    start: (order, events) => startWorker(environmentOf(order, config, environment), events),
    onEnd: (how, told) =>
      void metrics
        .ended(how, told)
        .catch((error) => log.error({ err: error }, 'a mistake of ours in metrics')),
    scrape: async () => metrics.text(await group.metrics()),
    shutdownMs: config.shutdownMs,
  });
  const status = new StatusWriter({
    ...{ store, clock, random, id, region: config.region, build },
    everyMs: config.statusEveryMs,
    soonMs: config.statusSoonMs,
    timeoutMs: config.storeTimeoutMs,
    position: () => group.position,
    look: () => ({
      cachedContexts: group.cachedContexts,
      degraded: !group.isWhole,
      reportsKeyUses: config.keyUsesEveryMs > 0,
    }),
    onError: (error) => log.debug({ err: error }, 'the status cannot be reported; workers tell why'),
  });
  const dropHangup = onHangup(() => void group.reload());
  group.start();
  status.start();
  log.info({ id, workers: config.workers }, 'starting workers');
  const ended = await Promise.race([signalled, group.ended]);
  log.info({ signal: ended }, 'stopping');
  dropHangup();
  socket.close(); // else connections would go on waiting in it, for nobody
  await group.stop();
  await status.leave();
  await store[Symbol.asyncDispose]();
  log.info('stopped');
  return typeof ended === 'number' ? ended : 0;
}

function environmentOf(
  { number, snapshot }: Order,
  config: GatewayConfig,
  environment: Environment,
): Environment {
  const own = { SPOKECAST_WORKERS: String(config.workers), SPOKECAST_WORKER: String(number) };
  if (snapshot === 'keep') return { ...environment, ...own };
  const { slot } = snapshot;
  return {
    ...environment,
    ...own,
    ...(slot === undefined ? { SPOKECAST_SNAPSHOT_DIR: '' } : { SPOKECAST_SHADOW_SLOT: slot }),
  };
}

/** Beyond the time that requests have to end: for a worker to notice that its group is gone, and to end. */
const drainingMs = 5_000;

async function bind(
  { host, port, shutdownMs }: GatewayConfig,
  log: Logger,
  signalled: Promise<string>,
): Promise<ListeningSocket | 'signalled'> {
  const withinMs = shutdownMs + drainingMs;
  const impatience = new AbortController();
  void signalled.then(() => impatience.abort());
  try {
    return await bindSocketWithin(host, port, {
      ...{ clock: systemClock, withinMs, signal: impatience.signal },
      onTaken: () =>
        log.warn(
          { host, port, withinMs },
          'the port is taken, maybe by workers of an earlier gateway that end: trying again',
        ),
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (impatience.signal.aborted) return 'signalled';
    if (code === 'ENOTFOUND')
      throw new ConfigurationError([`${gatewayOptions.host.env}=${host}: ${message}`]);
    throw error;
  }
}
