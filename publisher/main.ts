import { serve } from '@hono/node-server';
import { systemClock } from '../contexts/base/clock.ts';
import { createLogger } from '../contexts/base/log.ts';
import { type Environment, printableOptions } from '../contexts/base/options.ts';
import { untilSignalled } from '../contexts/base/process.ts';
import { checkMigrated } from '../hub/db/migrate.ts';
import { checkSession } from '../hub/db/session.ts';
import { publisherOptions, readConfig } from './config.ts';
import { wirePublisher } from './wire.ts';

/**
 * Runs a publisher until it is told to end. Resolves with the process's exit code.
 * @throws ConfigurationError, SchemaError, or what connecting to Postgres or Redis throws.
 */
export async function main(environment: Environment, known: readonly string[]): Promise<number> {
  const config = readConfig(environment, known);
  const log = createLogger({ service: 'publisher', level: config.logLevel });
  const publisher = wirePublisher({ config, clock: systemClock, log });
  try {
    await checkSession(publisher.database);
    await checkMigrated(publisher.database, { acceptNewer: config.acceptNewerSchema });
    await publisher.start();
  } catch (error) {
    await publisher[Symbol.asyncDispose]();
    throw error;
  }
  const signalled = untilSignalled();
  const server = serve({ fetch: publisher.app.fetch, hostname: config.host, port: config.port });
  log.info(
    { options: printableOptions(publisherOptions, config), queues: publisher.queues.backend },
    'publisher ready',
  );
  const reason = await Promise.race([signalled, publisher.outdated]);
  log.info({ reason: String(reason) }, 'publisher ending: jobs in hand are finished first');
  server.close();
  // Postgres, Redis or a store may hang: leases and locks give back what is left in hand.
  const ended = publisher[Symbol.asyncDispose]().then(() => 'in order');
  const late = systemClock.sleep(config.shutdownTimeoutMs).then(() => 'late');
  if ((await Promise.race([ended, late])) === 'late')
    log.warn('publisher ended with jobs in hand: others do them again when their leases are over');
  if (reason instanceof Error) throw reason;
  return 0;
}
