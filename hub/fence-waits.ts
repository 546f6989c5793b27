import type { Clock } from '../contexts/base/clock.ts';
import type { Actor } from './auth/actor.ts';
import type { Database } from './db/client.ts';
import { awaitFence, type FenceProgress, fencesChannel, readFence } from './db/fences.ts';
import { fail } from './http/problems.ts';
import { Places } from './places.ts';

/** Between two looks when nobody told that there is something new. */
const pollMs = 250;
/** Between two looks at the least, however much is told. */
const pauseMs = 10;

/**
 * Those who wait for fences. Everything they wait for stands in the database, so that any hub can answer, and one
 * that restarts has lost nothing but the connection of whoever waited.
 *
 * Woken by NOTIFY, with a poll behind it. Their number is bounded; each costs a short query when it is woken.
 */
export class FenceWaits {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #places: Places;
  readonly #stopping: AbortSignal;
  #listening: Promise<unknown> | undefined;
  /** Aborted, and replaced, whenever something may have come further. */
  #news = new AbortController();

  constructor(options: {
    database: Database;
    clock: Clock;
    waitsMax: number;
    stopping: AbortSignal;
    onCount(waits: number): void;
  }) {
    this.#database = options.database;
    this.#clock = options.clock;
    this.#places = new Places({ max: options.waitsMax, onCount: options.onCount });
    this.#stopping = options.stopping;
  }

  get count(): number {
    return this.#places.taken;
  }

  /**
   * A place among those who wait, taken before anything is changed, so that no change is made that cannot be waited
   * for. @throws ProblemError 503 where there is none.
   */
  reserve({ tenantId }: Pick<Actor, 'tenantId'>): Disposable {
    const place = this.#places.take(tenantId);
    if ('taken' in place)
      fail('OVERLOADED', {
        detail: `${place.taken} requests of ${place.by} wait for regions already. Nothing was changed.`,
        headers: { 'retry-after': '1' },
      });
    return place;
  }

  /** How far the fence is when it is over, or after `timeoutMs`, or when the hub stops. Undefined: no such fence. */
  async until(id: string, timeoutMs: number): Promise<FenceProgress | undefined> {
    const { db } = this.#database;
    const endsAt = this.#clock.monotonic() + timeoutMs;
    const first = await readFence(db, id);
    if (first === undefined || isOver(first) || timeoutMs === 0) return first;
    this.#listen();
    await awaitFence(db, id, timeoutMs);
    for (;;) {
      const news = this.#news.signal; // before the look, so that what comes during it is not lost
      const progress = await readFence(db, id);
      const leftMs = endsAt - this.#clock.monotonic();
      if (progress === undefined || isOver(progress) || leftMs <= 0 || this.#stopping.aborted)
        return progress;
      await this.#clock.sleep(Math.min(pollMs, leftMs), AbortSignal.any([news, this.#stopping]));
      await this.#clock.sleep(Math.min(pauseMs, leftMs), this.#stopping);
    }
  }

  /** On a connection of its own, from the first wait on. Where it cannot be had, there is the poll. */
  #listen(): void {
    const tell = () => {
      const told = this.#news;
      this.#news = new AbortController();
      told.abort();
    };
    this.#listening ??= this.#database.listen(fencesChannel, tell).catch(() => {
      this.#listening = undefined;
    });
  }
}

/** Whether waiting on can bring anything: not once all is seen, nor where what is left is not published to at all. */
export function isOver(progress: FenceProgress): boolean {
  return progress.regions.every((region) => region.complete || region.regionStatus === 'disabled');
}

export function isComplete(progress: FenceProgress): boolean {
  return progress.regions.every((region) => region.complete);
}
