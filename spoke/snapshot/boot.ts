import type { Clock } from '../../contexts/base/clock.ts';
import type { Logger } from '../../contexts/base/log.ts';
import type { Restored } from '../cache/holding.ts';
import type { Restorable } from '../cache/reserve.ts';
import type { Refusal } from './frames.ts';
import type { Loaded, SnapshotShelf } from './shelf.ts';

export interface BootOptions {
  shelf: SnapshotShelf;
  environment: string;
  region: string;
  /** Age up to which what was kept is served before the store was asked. */
  freshMs: number;
  /** Age from which it is not used at all: tombstones may have been forgotten since. */
  ageMaxMs: number;
  clock: Clock;
  log: Logger;
  cache: { restore(restorable: Restorable): number };
  onRefused(refusal: Refusal): void;
}

/** What was taken up. */
export interface Booted {
  loaded: Loaded;
  contexts: number;
  worth: Restored;
}

/** A mark this far in the future says that one of two clocks is wrong, and nothing of its age. */
const clockErrorMaxMs = 60_000;

/** Takes up what an earlier process kept, into a cache that nobody asks yet. Undefined where there is nothing. */
export async function bootFrom(options: BootOptions): Promise<Booted | undefined> {
  const { shelf, clock, log, cache, environment, region, ageMaxMs, freshMs, onRefused } = options;
  const startedAt = clock.monotonic();
  const unknownKinds = new Set<string>();
  const loaded = await shelf.load({
    ...{ environment, region, nowMs: clock.now(), ageMaxMs },
    onRefused: (path, { refusal, message }) => {
      onRefused(refusal);
      log.warn({ path, refusal, reason: message }, 'the snapshot is refused; going on without it');
    },
    onTorn: (path, bytes) => log.info({ path, bytes }, 'the journal ends in what was not written to its end'),
    onUnknownKind: (kind) => unknownKinds.add(kind),
  });
  if (loaded === undefined) return undefined;
  const ageMs = clock.now() - loaded.mark.atMs;
  const worth = ageMs > freshMs || ageMs < -clockErrorMaxMs ? 'aged' : 'recent';
  const { holdings, mark } = loaded;
  const contexts = cache.restore({ holdings, worth, incarnation: mark.position.incarnation });
  const durationMs = Math.round(clock.monotonic() - startedAt);
  const told = { contexts, ageMs, worth, from: loaded.from, build: loaded.build, durationMs };
  log.info(told, 'booted from the snapshot');
  if (unknownKinds.size > 0)
    log.warn({ unknownKinds: [...unknownKinds] }, 'the snapshot has kinds that this build does not know');
  return { loaded, contexts, worth };
}
