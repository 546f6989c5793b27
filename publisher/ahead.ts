import { encodeVersion } from '../contexts/revision.ts';
import type { Store } from '../contexts/store.ts';

/** The region remembers writes this hub never made: the hub was restored from a backup, or is another's copy. */
export class RegionAheadError extends Error {
  override name = 'RegionAheadError';
  readonly code = 'REGION_AHEAD';

  constructor(region: string, regionHas: string, hubHas: string) {
    super(
      `region ${region} is ahead of this hub: it has seen version ${regionHas}, and the hub has drawn no more than ${hubHas}. ` +
        "Was the hub restored from a backup? Nothing was written there; raise the hub's epoch above every region's before it publishes again.",
    );
  }
}

/**
 * @param hub asked *after* the region, so that what another publisher published meanwhile does not look ahead.
 * @throws RegionAheadError when the region's high-water mark is beyond anything the hub ever drew.
 */
export async function checkNotAhead(
  region: string,
  store: Store,
  hub: () => Promise<{ epoch: number; revision: number }>,
): Promise<void> {
  const found = await store.readIdentity();
  if (found.outcome !== 'identity' || found.identity.highWater === null) return;
  const { epoch, revision } = await hub();
  const drawn = encodeVersion({ epoch, revision, schemaVersion: 9999 });
  if (found.identity.highWater > drawn) throw new RegionAheadError(region, found.identity.highWater, drawn);
}
