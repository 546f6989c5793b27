import { systemClock } from '../../../contexts/base/clock.ts';
import { createLogger } from '../../../contexts/base/log.ts';
import { kindNames } from '../../../contexts/kinds/index.ts';
import { MemoryStore } from '../../../contexts/stores/memory.ts';
import { buildContexts, countContexts, draftRange, holdersOf } from '../../../hub/db/builders/index.ts';
import { connect } from '../../../hub/db/client.ts';
import { changedSince } from '../../../hub/db/sweeps.ts';
import { readConfig } from '../../../publisher/config.ts';
import { wirePublisher } from '../../../publisher/wire.ts';
import type { Client } from '../support/client.ts';
import { type FullHub, filledId, fullRegions } from './fill.ts';

const patienceMs = 300_000;

/**
 * Has a publisher with stores in memory do what it does by itself: relay what the tour left, sweep, keep house, and all
 * that its loops turn to at once. `owner` asks it for one sweep more and waits for that.
 */
export async function publishing(databaseUrl: string, owner: Client, region: string): Promise<void> {
  const config = readConfig({ DATABASE_URL: databaseUrl, SPOKECAST_ENV: 'test' }, []);
  const log = createLogger({ service: 'publisher', level: 'silent' });
  const stores = new Map<string, MemoryStore>();
  const openStore = ({ id }: { id: string }) => {
    const store = stores.get(id) ?? new MemoryStore();
    stores.set(id, store);
    return store;
  };
  await using publisher = wirePublisher({ config, clock: systemClock, log, openStore });
  await publisher.start();
  const { id } = (await owner.post('/v1/sweeps', { region })).body;
  const startedAt = systemClock.monotonic();
  const completed = async () => (await owner.get(`/v1/sweeps/${id}`)).body.status === 'completed';
  const relayed = async () => (await publisher.database.sql`select from outbox limit 1`).length === 0;
  while (!((await completed()) && (await relayed()))) {
    if (systemClock.monotonic() - startedAt > patienceMs)
      throw new Error('the publisher does not come to an end');
    await systemClock.sleep(50);
  }
}

/**
 * Reads what a sweep and a refresh read of a region that holds a tenth of everything: pages at the beginning, in the
 * middle and at the end of each kind. The publisher of {@link publishing} has a region that holds next to nothing.
 */
export async function reading(databaseUrl: string, { clusters, keys, tenants }: FullHub): Promise<void> {
  await using database = connect(databaseUrl, { applicationName: 'tour of the builders', max: 1 });
  const { db } = database;
  const rows = { tenant: tenants, cluster: clusters, 'agent-key': keys, heartbeat: 0 };
  const prefixes = { tenant: 'ten', cluster: 'vci', 'agent-key': 'aki', heartbeat: 'none' };
  for (const region of fullRegions.slice(0, 2)) {
    for (const kind of kindNames) {
      const at = (share: number) => filledId(prefixes[kind], Math.max(1, Math.floor(rows[kind] * share)));
      for (const after of ['', at(0.5), at(0.99)])
        await draftRange(db, region, kind, { after, limit: 1000 }, systemClock);
      const refs = [0, 0.2, 0.5, 0.9].map((share) => ({ kind, key: at(share) }));
      await buildContexts(db, region, refs, systemClock);
      await holdersOf(db, refs);
    }
  }
  await countContexts(db, fullRegions[0]!);
  for (const region of [fullRegions[0]!, undefined]) {
    const { pages } = await changedSince(db, String(3 + Math.floor(keys * 0.9)), region);
    for await (const _ of pages);
  }
}
