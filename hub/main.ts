import { systemClock } from '../contexts/base/clock.ts';
import { createLogger } from '../contexts/base/log.ts';
import type { Environment } from '../contexts/base/options.ts';
import { untilSignalled } from '../contexts/base/process.ts';
import { systemRandom } from '../contexts/base/random.ts';
import { makeSetUpLink } from './auth/set-up-link.ts';
import { printableConfig, readConfig } from './config.ts';
import { checkMigrated } from './db/migrate.ts';
import { checkSession } from './db/session.ts';
import { startServer } from './http/server.ts';
import { type Hub, wireHub } from './wire.ts';

/**
 * Runs a hub until the process is asked to end. Resolves with the exit code.
 * @throws ConfigurationError; SchemaError where the database is not at this build's schema; what connecting and
 * listening throw.
 */
export async function main(environment: Environment, known: readonly string[]): Promise<number> {
  const config = readConfig(environment, known);
  const log = createLogger({ service: 'hub', level: config.logLevel });
  await using hub = wireHub(config, { clock: systemClock, random: systemRandom, log });
  await checkSession(hub.services.database);
  await checkMigrated(hub.services.database, { acceptNewer: config.acceptNewerSchema });
  hub.start();
  const signalled = untilSignalled(); // before the first request is taken: none is cut off
  const { host, port } = config;
  const server = await startServer({ fetch: hub.app.fetch, host, port, clock: systemClock });
  hub.listensAt(server.url);
  log.info({ url: server.url, options: printableConfig(config) }, 'hub ready');

  await offerSetUp(hub);

  const reason = await Promise.race([signalled, hub.outdated]);
  log.info({ reason: String(reason) }, 'hub ending: requests under way are finished first');
  hub.beginToDrain();
  await systemClock.sleep(config.drainMs);
  hub.beginToStop();
  await server.stop(config.shutdownTimeoutMs);
  if (reason instanceof Error) throw reason;
  return 0;
}

/**
 * Where nobody has ever signed in, the log says how the first person does. This is the one secret that is logged, on
 * purpose: whoever reads the log of a hub that is new may own it. It works once and for a bounded time.
 */
async function offerSetUp({ services }: Hub): Promise<void> {
  const link = await makeSetUpLink(services.database.db, services);
  if (!link) return;
  const { url, expiresAt } = link;
  services.log.info(
    { url, expiresAt },
    'nobody has signed in here yet: the link makes the first owner, once',
  );
}
