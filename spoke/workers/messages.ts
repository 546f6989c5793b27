import type { Registry } from 'prom-client';
import type { RateState } from '../../contexts/base/rate-limit/bucket.ts';
import type { ContextRef } from '../../contexts/kinds/index.ts';
import type { FeedHead } from '../../contexts/store.ts';
import type { Change } from '../cache/holding.ts';
import type { RateCounter, RateQuestion } from '../rate-limit/shared.ts';
import type { Readiness } from '../readiness.ts';

/**
 * What a group and its workers tell each other, over the channel of a child process. Both ends are the same build, and
 * the order in which things are sent is the order in which they come.
 */
export type MetricsAsJson = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** How far a worker is. Told first when it has booted, and again whenever it changes. */
export interface WorkerState {
  /** Up to where the feed is in force; undefined while that is not known. */
  position: FeedHead | undefined;
  readiness: Readiness['status'];
  /** Not so any more once its last connection has ended. */
  answers: boolean;
  cachedContexts: number;
  /** Where it keeps its snapshot, if it is the one that does. */
  slot: string | undefined;
}

/** What a worker hands over to its group: the status is the group's to report, and the metrics are of them all. */
export interface GroupOfWorkers extends RateCounter {
  changed(change: Change): void;
  /** The metrics of all workers. */
  scrape(): Promise<string>;
  /** Since its link last looked whether there is something to tell. */
  readonly loopAgeMs: number;
}

export type FromWorker =
  | { is: 'state'; state: WorkerState }
  | { is: 'listening'; url: string }
  /** Contexts that it holds since a moment ago. */
  | { is: 'holds'; refs: readonly ContextRef[] }
  | { is: 'metrics'; asked: number; metrics: MetricsAsJson }
  /** Somebody asks it for the metrics of them all. */
  | { is: 'scrape'; asked: number }
  /** Requests of keys that have a limit, which the group counts for all. */
  | { is: 'rates'; asked: number; questions: readonly RateQuestion[] };

export type FromGroup =
  /** Comes with the listening socket: from now on it takes connections. */
  | { is: 'listen' }
  /** Take no more connections, end when those that are open have ended; idle ones have so long. */
  | { is: 'retire'; lingerMs: number }
  /** Other workers hold these: the one that keeps the snapshot is to hold them too. */
  | { is: 'hold'; refs: readonly ContextRef[] }
  | { is: 'tell-metrics'; asked: number }
  | { is: 'scraped'; asked: number; text: string }
  | { is: 'rated'; asked: number; states: readonly RateState[] };
