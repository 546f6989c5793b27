import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { systemClock } from '../../../contexts/base/clock.ts';
import { createLogger } from '../../../contexts/base/log.ts';
import { untilSignalled } from '../../../contexts/base/process.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import type { Envelope } from '../../../contexts/envelope.ts';
import type { Store } from '../../../contexts/store.ts';
import { DynamoStore } from '../../../contexts/stores/dynamodb.ts';
import { MemoryStore } from '../../../contexts/stores/memory.ts';
import { readConfig } from '../../../publisher/config.ts';
import { wirePublisher } from '../../../publisher/wire.ts';

/**
 * The production publisher, except that a region whose endpoint is `http://memory` has its store in this process,
 * and that it tells at `/stored` which keys were written there since it was last asked, with the permissions they
 * got and when, as `[region, key, permissions, milliseconds since the Unix epoch]`.
 */
let stored: [region: string, key: string, permissions: string, atMs: number][] = [];

class TellingStore extends MemoryStore {
  readonly #region: string;

  constructor(region: string) {
    super();
    this.#region = region;
  }

  override async put(envelope: Envelope, options?: { replacing?: string }) {
    const outcome = await super.put(envelope, options);
    if (outcome === 'written' && envelope.kind === 'agent-key' && envelope.bodyText !== null) {
      const { permissions } = JSON.parse(envelope.bodyText) as { permissions: string[] };
      stored.push([
        this.#region,
        envelope.key,
        permissions.join(),
        performance.timeOrigin + performance.now(),
      ]);
    }
    return outcome;
  }
}

const config = readConfig(process.env, []);
const log = createLogger({ service: 'publisher', level: config.logLevel });
const publisher = wirePublisher({
  config,
  clock: systemClock,
  log,
  openStore: ({ id, storeEndpoint, storeTable }): Store =>
    storeEndpoint === 'http://memory'
      ? new TellingStore(id)
      : DynamoStore.connect({
          table: storeTable,
          endpoint: storeEndpoint ?? undefined,
          requestTimeoutMs: config.storeTimeoutMs,
          clock: systemClock,
          random: systemRandom,
        }),
});
await publisher.start();
const app = new Hono();
app.get('/stored', (c) => {
  const told = stored;
  stored = [];
  return c.json(told);
});
app.route('/', publisher.app);
serve({ fetch: app.fetch, hostname: config.host, port: config.port });
await untilSignalled();
process.exit(0);
