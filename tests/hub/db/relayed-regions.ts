import { systemClock } from '../../../contexts/base/clock.ts';
import type { Envelope } from '../../../contexts/envelope.ts';
import { type ContextRef, refText } from '../../../contexts/kinds/index.ts';
import { buildContexts, holdersOf } from '../../../hub/db/builders/index.ts';
import { type CascadeOptions, cascadeDeparture, cascadePlacements } from '../../../hub/db/cascade.ts';
import type { Db } from '../../../hub/db/client.ts';
import { type Change, claimChanges, completeChanges } from '../../../hub/db/outbox.ts';
import type { HubDatabase } from './hub-database.ts';

/** Both halves of a cascade at once, as the relay does them one after the other. */
export async function cascade(
  db: Db,
  clusterId: string,
  { leaves, ...options }: CascadeOptions & { leaves: boolean },
): Promise<void> {
  await cascadePlacements(db, [{ clusterId, leaves }], options);
  if (leaves) await cascadeDeparture(db, clusterId, { tightens: true });
}

/**
 * What regions hold when there is nothing but the outbox, the cascade and conditional puts: no sweep, which would
 * hide whatever these forget. Stores are maps; everything before them is the real thing.
 */
export class RelayedRegions {
  readonly stores = new Map<string, Map<string, Envelope>>();
  readonly #hub: HubDatabase;
  /** Awaited between build and put, and between claim and what follows: where a test lets others go first. */
  pause: (where: 'claimed' | 'built') => Promise<void> = async () => {};

  constructor(hub: HubDatabase) {
    this.#hub = hub;
  }

  /** One turn of a relay, and at once the jobs it makes. Returns how many rows it took. */
  async relay(claimant: string): Promise<number> {
    let taken = 0;
    for (const takes of ['placements', 'all-else'] as const) {
      const claim = { claimant, leaseMs: 60_000, limit: 20, takes };
      for (const change of await claimChanges(this.#hub.db, claim)) {
        taken += 1;
        await this.pause('claimed');
        if (takes === 'placements')
          await cascade(this.#hub.db, change.key, { leaves: change.tightens, chunk: 2 });
        await this.refresh(change);
        await completeChanges(this.#hub.db, claimant, [change.id]);
      }
    }
    return taken;
  }

  /** Until the outbox is empty. */
  async drain(claimant = 'drain'): Promise<void> {
    while ((await this.relay(claimant)) > 0);
  }

  /** Builds and puts a changed context where it is or was held. */
  async refresh(change: Pick<Change, 'kind' | 'key' | 'regions' | 'cause'>): Promise<void> {
    const holders = change.cause === 'dependent' ? new Map() : await holdersOf(this.#hub.db, [change]);
    const regions = new Set([...change.regions, ...(holders.get(refText(change)) ?? [])]);
    for (const region of regions) await this.put(region, change);
  }

  async put(region: string, ref: ContextRef): Promise<void> {
    const [build] = await buildContexts(this.#hub.db, region, [ref], systemClock);
    await this.pause('built');
    if (build?.state !== 'live' && build?.state !== 'gone') return;
    const store = this.stores.get(region) ?? new Map<string, Envelope>();
    this.stores.set(region, store);
    const held = store.get(refText(ref));
    if (!held || held.version < build.envelope.version) store.set(refText(ref), build.envelope);
  }

  /** What is live in a region, by name. */
  live(region: string): string[] {
    const store = this.stores.get(region) ?? new Map<string, Envelope>();
    return [...store]
      .filter(([, { bodyText }]) => bodyText !== null)
      .map(([name]) => name)
      .sort();
  }

  /** What differs between the stores and what the hub derives, as sentences; none when they agree. */
  async differences(regions: readonly string[]): Promise<string[]> {
    const heads = await this.#hub.sql<ContextRef[]>`select kind, key from heads`;
    const refs = heads.map(({ kind, key }) => ({ kind, key }));
    const found: string[] = [];
    for (const region of regions) {
      for (const build of await buildContexts(this.#hub.db, region, refs, systemClock)) {
        if (build.state !== 'live' && build.state !== 'gone') continue;
        const held = this.stores.get(region)?.get(refText(build.ref));
        const is = held === undefined || held.bodyText === null ? 'gone' : 'live';
        if (is !== build.state)
          found.push(`${refText(build.ref)} is ${is} in ${region} and should be ${build.state}`);
        else if (is === 'live' && held!.hash !== build.envelope.hash)
          found.push(
            `${refText(build.ref)} is at ${held!.version} in ${region}, not ${build.envelope.version}`,
          );
      }
    }
    return found;
  }
}
