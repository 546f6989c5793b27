import { type Clock, systemClock } from '../../../contexts/base/clock.ts';
import { createLogger } from '../../../contexts/base/log.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { createApplicationKey } from '../../../hub/bootstrap.ts';
import { readConfig } from '../../../hub/config.ts';
import { startServer } from '../../../hub/http/server.ts';
import { type Hub, type Parts, wireHub } from '../../../hub/wire.ts';
import { createDatabase } from '../../support/database.ts';
import { Client } from './client.ts';
import { ContractGuard, type Fetch } from './contract-guard.ts';

/**
 * A hub on a port and a database of its own, and the clients of everyone who may want to use it. Whatever it answers,
 * to anyone, is held against the OpenAPI document.
 */
export interface TestHub extends AsyncDisposable {
  url: string;
  databaseUrl: string;
  hub: Hub;
  /** The platform's owner. */
  owner: Client;
  /** A client with another key, or with whatever stands in its place. */
  as(secret: string | undefined): Client;
}

export interface TestHubOptions {
  environment?: Record<string, string>;
  clock?: Clock;
  openStore?: Parts['openStore'];
  databaseUrl?: string;
  /** Where it listens; by default on any port. */
  port?: number;
}

export async function startHub(options: TestHubOptions = {}): Promise<TestHub> {
  const stack = new AsyncDisposableStack();
  const database = options.databaseUrl ? { url: options.databaseUrl } : stack.use(await createDatabase());
  const config = readConfig(
    { DATABASE_URL: database.url, SPOKECAST_PORT: '0', SPOKECAST_HOST: '127.0.0.1', ...options.environment },
    [],
  );
  const log = createLogger({ service: 'hub', level: 'silent' });
  const { clock = systemClock, openStore } = options;
  const hub = stack.use(
    wireHub(config, {
      clock,
      random: systemRandom,
      log,
      metricsOfProcess: false,
      ...(openStore ? { openStore } : {}),
    }),
  );
  hub.start();
  const guard = stack.use(new ContractGuard(hub.app.fetch as Fetch));
  const server = await startServer({
    fetch: guard.fetch,
    host: '127.0.0.1',
    port: options.port ?? 0,
    clock: systemClock,
  });
  hub.listensAt(server.url);
  stack.defer(() => server.stop(1_000));
  const { secret } = await createApplicationKey(database.url, { role: 'owner', name: 'test owner' });
  const as = (key: string | undefined) => new Client(server.url, key);
  return {
    ...{ url: server.url, databaseUrl: database.url, hub, as },
    owner: as(secret),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
