import type { Clock } from '../../contexts/base/clock.ts';
import type { RefreshJob } from '../../publisher/jobs.ts';
import type { Process } from './faults.ts';
import type { Hazards } from './hazards.ts';

export interface Job {
  readonly id: number;
  readonly data: RefreshJob;
  attempts: number;
  /** After a failure: not before this, by the monotonic clock. */
  dueAt: number;
  /** Whose hands it is in. */
  by?: Process;
}

/** Attempts after which a job is left to the sweep: ten in production, fewer here as all times are shorter. */
const attemptsMax = 5;

/** One region's refresh jobs. At least once, in any order, and sometimes not at all. */
export class JobQueue {
  readonly #hazards: Hazards;
  readonly #clock: Clock;
  readonly #waiting: Job[] = [];
  readonly #active = new Set<Job>();
  /** What was lately added, and may be delivered once more. */
  readonly #late: RefreshJob[] = [];
  #ids = 0;
  /** Jobs that are to be lost as soon as there are any. */
  #doomed = 0;
  /** Jobs that are gone without having been done: what they named is left to the sweep. */
  lost = 0;

  constructor(clock: Clock, hazards: Hazards) {
    this.#clock = clock;
    this.#hazards = hazards;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** Whether one is waiting whose time has come. */
  get isDue(): boolean {
    return this.#waiting.some((job) => job.dueAt <= this.#clock.monotonic());
  }

  get busy(): number {
    return this.#active.size;
  }

  add(jobs: readonly RefreshJob[]): void {
    for (const data of jobs) {
      if (this.#doomed > 0) {
        this.#doomed -= 1;
        this.#gone();
        continue;
      }
      this.#waiting.push({ id: ++this.#ids, data, attempts: 0, dueAt: 0 });
      this.#late.push(data);
      if (this.#late.length > 8) this.#late.shift();
    }
  }

  #gone(): void {
    this.#hazards.met('lost: job');
    this.lost += 1;
  }

  /** The nth of those waiting, due or not; or the one that comes first by rank: what tightens, what is oldest. */
  take(nth: number | 'first', by: Process): Job | undefined {
    const now = this.#clock.monotonic();
    const due = this.#waiting.filter((one) => one.dueAt <= now);
    const first = due.find((one) => one.data.tightens) ?? due[0];
    const job = nth === 'first' ? first : this.#waiting[nth % Math.max(1, this.#waiting.length)];
    if (!job) return undefined;
    if (job !== first) this.#hazards.met('job: out of order');
    this.#waiting.splice(this.#waiting.indexOf(job), 1);
    job.by = by;
    this.#active.add(job);
    return job;
  }

  done(job: Job): void {
    this.#active.delete(job);
  }

  failed(job: Job): void {
    if (!this.#active.delete(job)) return;
    this.#hazards.met('job: failed');
    job.attempts += 1;
    job.dueAt = this.#clock.monotonic() + Math.min(1_000, 50 * 2 ** job.attempts);
    if (job.attempts < attemptsMax) this.#waiting.push(job);
    else {
      this.#hazards.met('job: failed for good');
      this.lost += 1;
    }
  }

  /** The nth of the last few is delivered once more. */
  duplicate(nth: number): void {
    const data = this.#late[nth % Math.max(1, this.#late.length)];
    if (!data) return;
    this.#waiting.push({ id: ++this.#ids, data, attempts: 0, dueAt: 0 });
    this.#hazards.met('job: duplicated');
  }

  /** The nth of those waiting or in the hands of the dead; or the next that comes. */
  lose(nth: number): void {
    const orphans = [...this.#active].filter((job) => job.by!.dead);
    const job = [...orphans, ...this.#waiting][nth % Math.max(1, orphans.length + this.#waiting.length)];
    if (!job) {
      this.#doomed += 1;
      return;
    }
    if (!this.#active.delete(job)) this.#waiting.splice(this.#waiting.indexOf(job), 1);
    this.#gone();
  }

  /** No more losses. */
  calm(): void {
    this.#doomed = 0;
  }

  /** Jobs in hand whose lock has run out are handed out again; who has them may still be at it. */
  redeliver(which: (job: Job) => boolean = () => true): number {
    const stalled = [...this.#active].filter(which);
    for (const job of stalled) {
      this.#active.delete(job);
      this.#waiting.push({ id: ++this.#ids, data: job.data, attempts: job.attempts, dueAt: 0 });
      this.#hazards.met('job: redelivered after a stall');
    }
    return stalled.length;
  }
}
