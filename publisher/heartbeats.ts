import type { Clock } from '../contexts/base/clock.ts';
import { backoffMs, Loop } from '../contexts/base/loop.ts';
import { open } from '../contexts/envelope.ts';
import { type ContextRef, refText } from '../contexts/kinds/index.ts';
import type { Store } from '../contexts/store.ts';
import type { Region } from './region.ts';

/**
 * Makes the heartbeats of the regions that are open, as ordinary changes of rows: what becomes of them says whether
 * the whole way works (outbox, relay, queue, put, announcement, gateway), also when nothing else changes. A region
 * that is not open gets none: it would not be told, and what it holds is to age.
 * @returns undefined where none are wanted.
 */
export function createHeartbeats(options: {
  clock: Clock;
  /** 0 for none. */
  everyMs: number;
  regions(): readonly Region[];
  beat(regions: readonly string[]): Promise<void>;
  onError(error: unknown): void;
}): Loop | undefined {
  const { clock, everyMs, regions, beat, onError } = options;
  if (everyMs === 0) return undefined;
  const beating = () => regions().filter((region) => region.state === 'open');
  return new Loop({
    name: 'heartbeat',
    clock,
    everyMs: () => (beating().length > 0 ? everyMs : Math.min(everyMs, 500)),
    retryMs: (failures) => backoffMs(failures, 1000, everyMs),
    async turn() {
      const ids = beating().map((region) => region.id);
      if (ids.length > 0) await beat(ids);
    },
    onError,
  });
}

/** When the heartbeat that a region's store holds was made, milliseconds since the Unix epoch. */
export async function storedHeartbeatMs(store: Store, region: string): Promise<number | undefined> {
  const ref: ContextRef & { kind: 'heartbeat' } = { kind: 'heartbeat', key: region };
  const { items } = await store.read([ref]);
  const item = items.get(refText(ref));
  if (item?.state !== 'context') return undefined;
  const opened = open({ ...item.envelope, kind: 'heartbeat' });
  return opened.outcome === 'live' ? opened.body.atMs : undefined;
}
