import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import { backoffMs } from '../contexts/base/loop.ts';
import { oneByOne } from '../contexts/base/merge-join.ts';
import { jittered, type Random } from '../contexts/base/random.ts';
import { type ContextRef, kindNames, refText } from '../contexts/kinds/index.ts';
import type { VersionText } from '../contexts/revision.ts';
import type { Announcement, Store, StoredItem } from '../contexts/store.ts';
import type { OwingCache } from './applied.ts';
import type { Holding } from './cache/holding.ts';

export interface WarmerOptions {
  store: Pick<Store, 'scan'>;
  cache: {
    hold(holding: Holding): 'held' | 'known' | 'undecodable';
    get(kind: ContextRef['kind'], key: string, origin: 'reference'): unknown;
    stats(): { entries: number };
  };
  entriesMax: number;
  clock: Clock;
  random: Random;
  log: Logger;
}

/** Announcements remembered while the region is read; with more, what is read is verified once more. */
const heardMax = 100_000;
const progressEveryMs = 1_000;

/**
 * Reads a whole region into the cache before the gateway is ready.
 *
 * It begins once the feed's position is fixed, and reads in pages, past the fills. What is announced while a page is on
 * its way outranks what the page says: such a context is read again by itself. Where announcements were missed, all
 * that is read from then on is suspect.
 *
 * It is *waiting* for the feed, *reading*, and *done*: with everything, or with as much as the cache takes.
 */
export class Warmer {
  readonly #options: WarmerOptions;
  readonly #stop = new AbortController();
  #state: 'waiting' | 'reading' | 'done' = 'waiting';
  #count = 0;
  #missed = false;
  readonly #heard = new Map<string, VersionText>();
  #done: Promise<void> | undefined;

  constructor(options: WarmerOptions) {
    this.#options = options;
  }

  /** The feed's position is fixed. */
  begin(): void {
    this.#done ??= this.#run();
  }

  /** What hears the feed, with this before it. */
  hearingFirst(listener: Omit<OwingCache, 'owes' | 'held'>): Omit<OwingCache, 'owes' | 'held'> {
    return {
      announced: (announcement) => {
        this.heard(announcement);
        return listener.announced(announcement);
      },
      suspectAll: () => {
        this.missed();
        listener.suspectAll();
      },
      pin: (incarnation) => listener.pin(incarnation),
    };
  }

  heard(announcement: Announcement): void {
    if (this.#state !== 'reading') return;
    this.#heard.set(refText(announcement), announcement.version);
    if (this.#heard.size > heardMax) this.missed();
  }

  missed(): void {
    this.#missed = true;
    this.#heard.clear();
  }

  get count(): number {
    return this.#count;
  }

  /** Why the gateway should not be asked yet; undefined once the region is read. */
  get reason(): string | undefined {
    if (this.#state === 'done') return undefined;
    return this.#state === 'waiting'
      ? 'the region is to be read first'
      : `the region is being read: ${this.#count} contexts so far`;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const startedAt = clock.monotonic();
    this.#state = 'reading';
    const outcome = await this.#readAll();
    if (outcome === 'stopped') return;
    this.#state = 'done';
    this.#heard.clear();
    const told = { contexts: this.#count, durationMs: Math.round(clock.monotonic() - startedAt) };
    if (outcome === 'read') log.info(told, 'the region is read');
    else
      log.warn(told, 'the cache is full before the region is read; set SPOKECAST_CACHE_ENTRIES_MAX higher');
  }

  async #readAll(): Promise<'read' | 'full' | 'stopped'> {
    const { store, clock, random, log } = this.#options;
    let toldAt = clock.monotonic();
    for (const kind of kindNames) {
      let after: string | undefined;
      for (let failures = 0; ; ) {
        try {
          for await (const item of oneByOne(store.scan(kind, after === undefined ? {} : { after }))) {
            if (this.#stop.signal.aborted) return 'stopped';
            if (this.#isFull) return 'full';
            this.#take(kind, item);
            after = item.key;
            failures = 0;
            if (clock.monotonic() - toldAt < progressEveryMs) continue;
            toldAt = clock.monotonic();
            log.info({ contexts: this.#count, kind }, 'reading the region');
          }
          break;
        } catch (error) {
          failures += 1;
          const reason = error instanceof Error ? error.message : String(error);
          if (failures === 1)
            log.warn({ kind, after, reason }, 'reading the region is interrupted; trying again');
          await clock.sleep(jittered(random, backoffMs(failures, 100, 5_000), 0.3), this.#stop.signal);
          if (this.#stop.signal.aborted) return 'stopped';
        }
      }
    }
    return 'read';
  }

  #take(kind: ContextRef['kind'], item: StoredItem): void {
    if (item.state === 'corrupt') return;
    const { cache } = this.#options;
    const { key, version, bodyText } = item.envelope;
    const heard = this.#heard.get(`${kind}/${key}`);
    this.#count += 1;
    if (heard !== undefined && heard > version) void cache.get(kind, key, 'reference');
    else cache.hold({ kind, key, version, bodyText, floor: undefined, suspect: this.#missed });
  }

  get #isFull(): boolean {
    const { cache, entriesMax } = this.#options;
    return cache.stats().entries >= entriesMax;
  }
}
