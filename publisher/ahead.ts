import { decodeVersion, encodeVersion } from '../contexts/revision.ts';
import type { Store } from '../contexts/store.ts';
import type { RunState } from '../hub/db/runs.ts';

/** The region remembers writes this hub never made: the hub was restored from a backup, or is another's copy. */
export class RegionAheadError extends Error {
  override name = 'RegionAheadError';
  readonly code = 'REGION_AHEAD';

  constructor(region: string, regionHas: string, hubHas: string) {
    super(
      `region ${region} is ahead of this hub: it has seen version ${regionHas}, and ${hubHas}. ` +
        'Was the hub restored from a backup, or did its database fail over? Nothing was written there. ' +
        'See what was lost with `spokecast hub promote-epoch --dry-run`, then run it without --dry-run: ' +
        'what was revoked since stays revoked, and publishing goes on by itself.',
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
  if (found.identity.highWater > drawn)
    throw new RegionAheadError(region, found.identity.highWater, `the hub has drawn no more than ${drawn}`);
}

export interface RunPort {
  state(): Promise<RunState>;
  confirm(run: number): Promise<void>;
}

/**
 * Once a run of the hub's database and region, before anything of that run is published there: whether the region
 * remembers a revision that nothing committed had when the run began. The hub may since have drawn as many again, so
 * that what `checkNotAhead` compares looks well.
 *
 * Another publisher may confirm the region and publish there between our question and our look at the store: so the
 * hub is asked again before the region is called ahead.
 * @throws RegionAheadError
 */
export async function checkRun(region: string, store: Store, hub: RunPort): Promise<void> {
  const { epoch, run, runFirst, confirmed } = await hub.state();
  if (confirmed) return;
  const found = await store.readIdentity();
  if (found.outcome !== 'identity') return;
  const { highWater } = found.identity;
  const seen = decodeVersion(highWater);
  const lost = seen && (seen.epoch > epoch || (seen.epoch === epoch && seen.revision >= runFirst));
  if (!lost) await hub.confirm(run);
  else if (!(await hub.state()).confirmed)
    throw new RegionAheadError(
      region,
      highWater!,
      `nothing from revision ${runFirst} on was in the hub's database when it began its present run`,
    );
}
