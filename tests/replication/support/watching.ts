import { systemClock } from '../../../contexts/base/clock.ts';

/** What one gateway answered to one key over time. */
export interface Observed {
  /** Milliseconds from `since` until the first answer with that status; undefined where it never came. */
  firstMs: number | undefined;
  /** Answers with another status after that one. */
  relapses: number[];
  /** All statuses seen, with their counts. */
  statuses: Map<number, number>;
  failed: number;
}

/** Asks a gateway about a key again and again: the steady load under which changes must arrive. */
export class Watcher {
  readonly #url: string;
  readonly #secret: string;
  readonly #seen: { atMs: number; status: number }[] = [];
  #failed = 0;
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(url: string, secret: string, everyMs = 20) {
    this.#url = url;
    this.#secret = secret;
    this.#done = this.#run(everyMs);
  }

  async #run(everyMs: number): Promise<void> {
    while (!this.#stopped) {
      try {
        const response = await fetch(`${this.#url}/v1/authenticate`, {
          headers: { authorization: `Bearer ${this.#secret}` },
        });
        await response.arrayBuffer();
        this.#seen.push({ atMs: systemClock.monotonic(), status: response.status });
      } catch {
        this.#failed += 1;
      }
      await systemClock.sleep(everyMs);
    }
  }

  /** The latest status, or 0 before the first answer. */
  get last(): number {
    return this.#seen.at(-1)?.status ?? 0;
  }

  /** Whether it was answered with that status after `sinceMs` (monotonic). */
  hasSeen(status: number, sinceMs: number): boolean {
    return this.#seen.some((one) => one.atMs >= sinceMs && one.status === status);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  /** How the answers went from `sinceMs` (monotonic) on, with respect to `status`. */
  observed(status: number, sinceMs: number): Observed {
    const after = this.#seen.filter((one) => one.atMs >= sinceMs);
    const first = after.findIndex((one) => one.status === status);
    const statuses = new Map<number, number>();
    for (const one of after) statuses.set(one.status, (statuses.get(one.status) ?? 0) + 1);
    return {
      firstMs: first < 0 ? undefined : after[first]!.atMs - sinceMs,
      relapses:
        first < 0
          ? []
          : after
              .slice(first)
              .filter((one) => one.status !== status)
              .map((one) => one.status),
      statuses,
      failed: this.#failed,
    };
  }
}

/** The value at the share `p` (0 to 1) of the sorted numbers. */
export function percentile(numbers: readonly number[], p: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? Number.NaN;
}
