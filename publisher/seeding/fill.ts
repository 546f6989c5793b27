import { chunked, settleBounded } from '../../contexts/base/bounded.ts';
import { ageMsOf, type Clock, type Moment, momentOf } from '../../contexts/base/clock.ts';
import type { Envelope } from '../../contexts/envelope.ts';
import { type ContextRef, type KindName, kindNames } from '../../contexts/kinds/index.ts';
import { limits } from '../../contexts/limits.ts';
import type { VersionText } from '../../contexts/revision.ts';
import type { Store } from '../../contexts/store.ts';
import type { Build, Draft } from '../../hub/db/builders/index.ts';
import type { PublisherPort } from '../publish.ts';

/**
 * Fills a new, empty table: what the region is to hold goes in by the same conditional puts as ever (law 2), but page
 * by page instead of job by job, nothing is compared first, and nothing is announced. The sweep that follows announces
 * all of it, mends what changed meanwhile, and says when the table is whole.
 *
 * A filler that freezes and wakes later puts nothing old: each put is refused where something newer is, and a page
 * that was read more than `snapshotAgeMaxMs` ago is read again.
 */
export interface FillHub extends PublisherPort {
  range(kind: KindName, after: string, limit: number): Promise<readonly Draft[]>;
}

/** Everything up to and including `after` of this kind, and all kinds before it, is in. */
export interface FillPosition {
  kind: KindName;
  after: string;
}

export interface FillOptions {
  store: Store;
  hub: FillHub;
  clock: Clock;
  pageRows: number;
  /** Puts in flight at once. */
  concurrency: number;
  snapshotAgeMaxMs: number;
  /** Called after each page, with how many contexts this run has put. */
  onProgress(position: FillPosition, filled: number): Promise<void>;
}

export class Fill {
  readonly #options: FillOptions;
  #filled = 0;

  constructor(options: FillOptions) {
    this.#options = options;
  }

  /** Kinds in the order of publishing, so that nothing points at what is not there. */
  async run(from: FillPosition | undefined, signal: AbortSignal): Promise<void> {
    const kinds = from ? kindNames.slice(kindNames.indexOf(from.kind)) : kindNames;
    for (const kind of kinds) await this.#fillKind(kind, kind === from?.kind ? from.after : '', signal);
  }

  /** Tombstones for what is not to be there: a put that was under way when the old table went is refused by them. */
  async bury(refs: readonly ContextRef[], signal: AbortSignal): Promise<void> {
    for (const batch of chunked(refs, limits.batchMax)) {
      signal.throwIfAborted();
      const builds = await this.#options.hub.build(batch);
      await this.#put(builds.flatMap((build) => (build.state === 'gone' ? [build.envelope] : [])));
    }
  }

  async #fillKind(kind: KindName, begin: string, signal: AbortSignal): Promise<void> {
    const { clock, pageRows, onProgress } = this.#options;
    let after = begin;
    let reading = this.#read(kind, after);
    for (;;) {
      signal.throwIfAborted();
      const { page, readAt } = await reading;
      const isLast = page.length < pageRows;
      const last = page.at(-1)?.key ?? after;
      // The next page is read while this one is put.
      if (!isLast) reading = this.#read(kind, last);
      const outcome = await this.#put(page.map((draft) => draft.build()).flatMap(envelopeOf), readAt);
      if (outcome === 'too-old') {
        reading = this.#read(kind, after);
        continue;
      }
      this.#filled += page.length;
      after = last;
      await onProgress({ kind, after }, this.#filled);
      if (isLast) return;
      // A page that waited behind a slow one may be too old by now.
      if (ageMsOf(readAt, clock) > this.#options.snapshotAgeMaxMs) reading = this.#read(kind, after);
    }
  }

  #read(kind: KindName, after: string): Promise<{ page: readonly Draft[]; readAt: Moment }> {
    const { hub, clock, pageRows } = this.#options;
    const readAt = momentOf(clock);
    const reading = hub.range(kind, after, pageRows).then((page) => ({ page, readAt }));
    reading.catch(() => {}); // whoever awaits it meets the error; nobody may
    return reading;
  }

  /** @throws the first failure, when all others have settled. */
  async #put(
    envelopes: readonly Envelope[],
    readAt = momentOf(this.#options.clock),
  ): Promise<'put' | 'too-old'> {
    const { store, hub, clock, concurrency, snapshotAgeMaxMs } = this.#options;
    if (envelopes.length === 0) return 'put';
    const highest = envelopes.map(({ version }) => version).reduce(higher, '' as VersionText);
    await hub.checkRun();
    if ((await store.raiseHighWater(highest)) === 'already-higher') await hub.checkNotAhead();
    let tooOld = false;
    const results = await settleBounded(envelopes, concurrency, async (envelope) => {
      if (ageMsOf(readAt, clock) > snapshotAgeMaxMs) tooOld = true;
      else await store.put(envelope);
    });
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    return tooOld ? 'too-old' : 'put';
  }
}

function envelopeOf(build: Build): Envelope[] {
  return build.state === 'live' ? [build.envelope] : [];
}

function higher(a: VersionText, b: VersionText): VersionText {
  return b > a ? b : a;
}
