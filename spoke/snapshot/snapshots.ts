import type { Clock } from '../../contexts/base/clock.ts';
import { timestamp } from '../../contexts/base/clock.ts';
import type { Logger } from '../../contexts/base/log.ts';
import type { Random } from '../../contexts/base/random.ts';
import type { Announcement, Identity } from '../../contexts/store.ts';
import type { OwingCache } from '../applied.ts';
import type { Change, Holding } from '../cache/holding.ts';
import type { AnnounceOutcome } from '../cache/outcomes.ts';
import type { Restorable } from '../cache/reserve.ts';
import type { GatewayConfig } from '../config.ts';
import type { FeedListener, FeedPosition, TailStep } from '../feed-tail.ts';
import { type Booted, bootFrom } from './boot.ts';
import { SnapshotKeeper } from './keeper.ts';
import type { SnapshotMetrics } from './metrics.ts';
import type { SnapshotShelf } from './shelf.ts';

export interface SnapshotsOptions {
  shelf: SnapshotShelf;
  /** Nothing is written: this is a rehearsal's shadow. */
  readOnly: boolean;
  config: GatewayConfig;
  cache: Pick<FeedListener, 'suspectAll' | 'pin'> & {
    announced(announcement: Announcement): AnnounceOutcome;
    refs(): string[];
    holding(ref: string): Holding | undefined;
    restore(restorable: Restorable): number;
    stats(): { state: 'closed' | 'open' | 'stopped'; suspects: number };
  };
  tail(): { position: FeedPosition | undefined; resumeFrom(position: FeedPosition): void };
  metrics: SnapshotMetrics;
  /** Since a rehearsal last went well; undefined without rehearsals. */
  bootableAgeMs(): number | undefined;
  clock: Clock;
  random: Random;
  log: Logger;
}

/**
 * A gateway's snapshot, from its boot to its end. There is one boot path: the snapshot is taken up, then the store is
 * asked, then the feed is followed from where the snapshot stands; only then is anybody answered. Where the store
 * cannot be asked, the snapshot answers alone.
 */
export class Snapshots implements AsyncDisposable {
  readonly #options: SnapshotsOptions;
  readonly keeper: SnapshotKeeper;
  #booted: Booted | undefined;
  /** What was last logged of a disk that will not: it is tried again and again, and told once. */
  #toldReason: string | undefined;
  readonly #settled = Promise.withResolvers<void>();

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    const { shelf, cache, clock, random, log, metrics, config } = options;
    this.keeper = new SnapshotKeeper({
      ...{ shelf, cache, clock, random },
      position: () => options.tail().position,
      everyMs: config.snapshotEveryMs,
      events: {
        written: ({ contexts, bytes, durationMs }) => {
          metrics.wrote('written');
          this.#toldReason = undefined;
          log.debug({ contexts, bytes, durationMs: Math.round(durationMs) }, 'snapshot written');
        },
        failed: (what, error) => {
          metrics.wrote(`${what}-failed`);
          const reason = error instanceof Error ? error.message : String(error);
          if (reason === this.#toldReason) return;
          this.#toldReason = reason;
          log.error({ what, reason }, 'what is held cannot be kept on disk; going on without');
        },
      },
    });
    metrics.watch(() => {
      const { markAtMs, snapshotBytes, journalBytes, state } = this.keeper.stats();
      return {
        markAgeMs: markAtMs === undefined ? undefined : clock.now() - markAtMs,
        snapshotBytes,
        journalBytes,
        isIncomplete: state === 'incomplete',
        isAnsweringFromSnapshot: this.isAnswering,
        restoredContexts: this.#booted?.contexts ?? 0,
        bootableAgeMs: options.bootableAgeMs(),
      };
    });
  }

  /** Takes up what there is. Never rejects: a gateway without a snapshot is a gateway. */
  async boot(): Promise<void> {
    const { config, shelf, clock, log, cache, metrics, tail, readOnly } = this.#options;
    const { environment, region, snapshotFreshMs: freshMs, snapshotAgeMaxMs: ageMaxMs } = config;
    try {
      this.#booted = await bootFrom({
        ...{ shelf, environment, region, freshMs, ageMaxMs, clock, log, cache },
        onRefused: (refusal) => metrics.refused(refusal),
      });
    } catch (error) {
      log.error({ err: error }, 'the snapshot cannot be read; going on without it');
    }
    if (this.#booted === undefined) this.#settled.resolve();
    else {
      tail().resumeFrom(this.#booted.loaded.mark.position);
      if (!readOnly) await this.keeper.goOnFrom(this.#booted.loaded);
    }
    if (!readOnly) this.keeper.start();
  }

  /**
   * Resolves when callers may be answered: the feed was followed to its end, or the store cannot be asked, or has taken
   * longer than a boot may wait.
   */
  async settled(): Promise<void> {
    const { clock, config } = this.#options;
    const patience = new AbortController();
    await Promise.race([this.#settled.promise, clock.sleep(config.bootWaitMs, patience.signal)]);
    patience.abort();
  }

  /** What the tail is to tell: the cache, and what of it must outlive this process. */
  get listener(): Omit<OwingCache, 'owes' | 'held'> {
    const { cache } = this.#options;
    return {
      announced: (announcement) => {
        const outcome = cache.announced(announcement);
        this.keeper.heard(announcement, outcome);
        return outcome;
      },
      suspectAll: () => {
        cache.suspectAll();
        this.keeper.missed();
      },
      pin: (incarnation) => cache.pin(incarnation),
    };
  }

  changed(change: Change): void {
    this.keeper.changed(change);
  }

  identified({ environment, region, hubId }: Identity): void {
    this.keeper.identified({ environment, region, hubId });
  }

  stepped(step: TailStep): void {
    if (step === 'pinned') this.keeper.pinned();
    if (step === 'idle' || step === 'applied' || step === 'adrift') this.#settled.resolve();
  }

  storeFailed(): void {
    this.#settled.resolve();
  }

  /** Whether anything was taken up from a snapshot. */
  get isRestored(): boolean {
    return this.#booted !== undefined && this.#booted.contexts > 0;
  }

  /** Whether the snapshot is all there is to answer from. */
  get isAnswering(): boolean {
    return this.isRestored && this.#options.cache.stats().state === 'closed';
  }

  /** Why answers may not be what the store would say, or another process after this one could not give them. */
  get reasons(): string[] {
    const reasons: string[] = [];
    const { cache, readOnly } = this.#options;
    if (this.#booted !== undefined && (this.isAnswering || cache.stats().suspects > 0)) {
      const { mark } = this.#booted.loaded;
      reasons.push(`what was not verified yet is from the snapshot of ${timestamp(mark.atMs)}`);
    }
    if (this.keeper.trouble !== undefined && !readOnly) reasons.push(this.keeper.trouble);
    return reasons;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.keeper.stop();
  }
}
