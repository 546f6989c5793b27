import type { Clock } from '../../contexts/base/clock.ts';
import { StoreError } from '../../contexts/store.ts';
import type { Hazards } from './hazards.ts';

/** A process as the world sees it. Its calls never return once it is dead. */
export interface Process {
  /** `p1`, or `r1/g1`. */
  readonly name: string;
  readonly is: 'publisher' | 'gateway';
  dead: boolean;
}

export type Moment = 'before' | 'after';

/** What is to happen to the next calls of a process at a place. */
export interface Rule {
  /** Its name; or `publisher`, for whichever comes first. */
  process: string;
  place: string;
  when: Moment;
  does: 'freeze' | 'unavailable' | 'throttled' | 'lag';
  times: number;
}

interface Parked {
  process: Process;
  place: string;
  when: Moment;
  sinceMs: number;
  resume(): void;
}

/**
 * Stands at every place where a process waits for somebody else, before and after: there a call may freeze until it
 * is resumed, fail, lose its answer, or never return because its process has died.
 */
export class Faults {
  readonly #clock: Clock;
  readonly #hazards: Hazards;
  #rules: Rule[] = [];
  #parked: Parked[] = [];
  /** Regions whose store answers nobody. */
  readonly outages = new Set<string>();

  constructor(clock: Clock, hazards: Hazards) {
    this.#clock = clock;
    this.#hazards = hazards;
  }

  arm(rule: Rule): void {
    this.#rules.push({ ...rule });
    if (this.#rules.length > 40) this.#rules.shift();
  }

  /** No more faults. What is frozen stays so until it is resumed. */
  clear(): void {
    this.#rules = [];
    this.outages.clear();
  }

  /** Takes the rule that applies, if there is one. */
  take(
    process: Process,
    place: string,
    when: Moment,
    does: readonly Rule['does'][],
  ): Rule['does'] | undefined {
    const rule = this.#rules.find(
      (one) =>
        (one.process === process.name || one.process === process.is) &&
        one.place === place &&
        one.when === when &&
        does.includes(one.does),
    );
    if (!rule) return undefined;
    rule.times -= 1;
    if (rule.times <= 0) this.#rules.splice(this.#rules.indexOf(rule), 1);
    return rule.does;
  }

  /** Runs `work` at a place. `region` is whose store it asks. */
  async call<Result>(
    process: Process,
    place: string,
    work: () => Result | Promise<Result>,
    region?: string,
  ): Promise<Result> {
    const late = await this.#pass(process, place, 'before', region);
    const result = await work();
    if (late) this.#hazards.met('request: woken after its process died');
    await this.#pass(process, place, 'after', region);
    return result;
  }

  /** The same for a stream: it may freeze or fail at its start and at its end. */
  async *stream<Item>(
    process: Process,
    place: string,
    work: () => AsyncIterable<Item>,
    region?: string,
  ): AsyncIterable<Item> {
    await this.#pass(process, place, 'before', region);
    yield* work();
    await this.#pass(process, place, 'after', region);
  }

  /** Resolves with whether it was held until its process was dead. */
  async #pass(process: Process, place: string, when: Moment, region: string | undefined): Promise<boolean> {
    if (process.dead) return new Promise(() => {});
    if (region !== undefined && this.outages.has(region)) {
      this.#hazards.met('store: outage');
      throw new StoreError('STORE_UNAVAILABLE', 'an outage');
    }
    const does = this.take(process, place, when, ['freeze', 'unavailable', 'throttled']);
    switch (does) {
      case 'freeze': {
        this.#hazards.met(`frozen: ${process.is} ${when} ${place}`);
        const { promise, resolve } = Promise.withResolvers<void>();
        const sinceMs = this.#clock.monotonic();
        this.#parked.push({ process, place, when, sinceMs, resume: resolve });
        await promise;
        if (process.dead && when === 'after') return new Promise(() => {});
        return process.dead;
      }
      case 'unavailable':
      case 'throttled':
        if (when === 'after') this.#hazards.met('store: answer lost');
        else this.#hazards.met(does === 'throttled' ? 'store: throttled' : 'store: unavailable');
        throw region === undefined
          ? new Error('the database does not answer')
          : new StoreError(does === 'throttled' ? 'STORE_THROTTLED' : 'STORE_UNAVAILABLE', 'as armed');
      default:
        return false;
    }
  }

  get parked(): readonly Readonly<Parked>[] {
    return this.#parked;
  }

  /** Wakes the nth of those frozen; undefined where there are none. */
  resume(nth: number): Readonly<Parked> | undefined {
    const [parked] = this.#parked.splice(nth % Math.max(1, this.#parked.length), 1);
    parked?.resume();
    return parked;
  }

  /** Those frozen for longer never wake. */
  drop(parked: Readonly<Parked>): void {
    this.#parked = this.#parked.filter((one) => one !== parked);
  }
}
