import type { ContextRef } from '../../../contexts/kinds/index.ts';
import { refText } from '../../../contexts/kinds/index.ts';
import { checkOwner, type StoredItem, StoreError } from '../../../contexts/store.ts';
import type { Services } from '../../services.ts';
import type { RegionRow } from '../regions/region.ts';

export type Look =
  | { outcome: 'read'; item: StoredItem | undefined }
  | { outcome: 'unreachable'; reason: string };

/** Contexts by `refText`; what is not among them is not there. */
export type LookAtMany =
  | { outcome: 'read'; items: ReadonlyMap<string, StoredItem> }
  | { outcome: 'unreachable'; reason: string };

/** Reads one context from a region's store, as {@link lookIntoMany}. */
export async function lookInto(
  region: RegionRow,
  ref: ContextRef,
  hubId: string,
  services: Services,
): Promise<Look> {
  const look = await lookIntoMany(region, [ref], hubId, services);
  return look.outcome === 'read' ? { outcome: 'read', item: look.items.get(refText(ref)) } : look;
}

/**
 * Reads up to `limits.batchMax` contexts from a region's store. Never throws: whatever is wrong with the store is the
 * answer.
 */
export async function lookIntoMany(
  region: RegionRow,
  refs: readonly ContextRef[],
  hubId: string,
  services: Services,
): Promise<LookAtMany> {
  const { environment, stores, metrics } = services;
  if (region.status === 'disabled') return { outcome: 'unreachable', reason: 'the region is disabled' };
  try {
    const { storeEndpoint: endpoint, storeAwsRegion: awsRegion, storeTable: table } = region;
    const store = stores.get(region.id, { endpoint, awsRegion, table });
    const { items, identity } = await withTimeout(store.read(refs), services);
    if (identity === undefined)
      throw new StoreError('STORE_NOT_INITIALISED', 'the table has not been set up yet');
    checkOwner(identity, { environment, region: region.id, hubId });
    metrics.storeReads.inc({ region: region.id, outcome: 'read' });
    return { outcome: 'read', items };
  } catch (error) {
    metrics.storeReads.inc({ region: region.id, outcome: 'unreachable' });
    services.log.warn({ region: region.id, error: String(error) }, "could not read a region's store");
    return { outcome: 'unreachable', reason: reasonOf(error) };
  }
}

/** In words of ours: a store's own may name addresses. */
function reasonOf(error: unknown): string {
  if (!(error instanceof StoreError)) return 'the store could not be read';
  switch (error.code) {
    case 'STORE_UNAVAILABLE':
      return 'the store does not answer';
    case 'STORE_THROTTLED':
      return 'the store is throttled';
    case 'STORE_REFUSED':
      return 'the store refused the request';
    case 'STORE_NOT_INITIALISED':
      return 'the table has not been set up yet';
    case 'STORE_FOREIGN':
      return 'the table belongs to another environment, region or hub';
  }
}

async function withTimeout<Result>(
  work: Promise<Result>,
  { clock, storeTimeoutMs }: Services,
): Promise<Result> {
  const done = new AbortController();
  const late = clock.sleep(storeTimeoutMs, done.signal).then(() => {
    if (!done.signal.aborted)
      throw new StoreError('STORE_UNAVAILABLE', `no answer within ${storeTimeoutMs} ms`);
    return work;
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
    late.catch(() => {});
    work.catch(() => {});
  }
}
