import type { Clock } from '../../contexts/base/clock.ts';
import type { Logger } from '../../contexts/base/log.ts';
import { Loop } from '../../contexts/base/loop.ts';
import { jittered, type Random } from '../../contexts/base/random.ts';
import { isKindName } from '../../contexts/kinds/index.ts';
import type { Question } from './shadow.ts';

/**
 * What a rehearsal came to: `proven`, the shadow was ready and answered alike; `differs`, it answered something else;
 * `failed`, it was not ready, or gave no answer.
 */
export const rehearsalOutcomes = ['proven', 'differs', 'failed'] as const;
export type RehearsalOutcome = (typeof rehearsalOutcomes)[number];

/** A second process of this gateway, booted from the snapshot alone. */
export interface Shadow extends AsyncDisposable {
  /** Whether it has no network at all, or only no store. */
  readonly isolation: 'no-network' | 'no-store';
  /** Milliseconds from its start until it was ready. */
  readonly readyMs: number;
  answers(questions: readonly Question[]): Promise<string[]>;
}

export interface RehearsalOptions {
  /** Names of what is held. */
  refs(): string[];
  /** What this gateway goes by now. */
  answer(question: Question): string;
  /** Gives up, and rejects, when the signal says so. */
  start(signal: AbortSignal): Promise<Shadow>;
  everyMs: number;
  clock: Clock;
  random: Random;
  log: Logger;
  rehearsed(outcome: RehearsalOutcome): void;
}

/** Contexts compared in one rehearsal, chosen at random. */
const sampleMax = 1_000;
/** What is no tightening is in the journal after a second; what was held for longer is on disk. */
const settleMs = 2_000;

/**
 * Proves again and again that a gateway would boot from the snapshot: starts one that has nothing else, and compares
 * what both go by. A backup that nobody has restored is none.
 *
 * Contexts that change meanwhile prove nothing either way: only those count of which this gateway says the same before
 * the shadow starts and after it has answered.
 */
export class Rehearsal implements AsyncDisposable {
  readonly #options: RehearsalOptions;
  readonly #loop: Loop;
  #provenAt: number;
  #isFirst = true;

  constructor(options: RehearsalOptions) {
    this.#options = options;
    const { clock, random, everyMs, log } = options;
    this.#provenAt = clock.monotonic();
    this.#loop = new Loop({
      name: 'rehearsal',
      clock,
      everyMs: () => jittered(random, everyMs, 0.1),
      turn: async (signal) => {
        const isFirst = this.#isFirst;
        this.#isFirst = false;
        if (!isFirst) await this.rehearse(signal); // the first only after the first interval: there is nothing to boot from
      },
      onError: (error) => log.error({ err: error }, 'a rehearsal failed by a mistake of ours'),
    });
  }

  start(): void {
    this.#loop.start();
  }

  /** Since a rehearsal last went well; since the start, where none has yet. */
  get provenAgeMs(): number {
    return this.#options.clock.monotonic() - this.#provenAt;
  }

  /** Since one was last begun and ended, however it went: what it came to is told by `provenAgeMs`. */
  get loopAgeMs(): number {
    return this.#loop.ageMs();
  }

  async rehearse(signal: AbortSignal): Promise<RehearsalOutcome | 'given-up'> {
    const { log, clock, rehearsed } = this.#options;
    const before = this.#sample();
    await clock.sleep(settleMs, signal);
    const outcome = await this.#compare(before, signal);
    if (signal.aborted) return 'given-up';
    rehearsed(outcome);
    if (outcome === 'proven') this.#provenAt = clock.monotonic();
    else log.error({ outcome }, 'a gateway would not boot from the snapshot as it should');
    return outcome;
  }

  async #compare(before: ReadonlyMap<Question, string>, signal: AbortSignal): Promise<RehearsalOutcome> {
    const { log, start, answer } = this.#options;
    const questions = [...before.keys()];
    try {
      await using shadow = await start(signal);
      const answers = await shadow.answers(questions);
      const steady = questions.map((question, at) => ({
        question,
        live: before.get(question)!,
        shadow: answers[at]!,
      }));
      const compared = steady.filter(({ question, live }) => live !== 'none' && answer(question) === live);
      const different = compared.filter((each) => each.shadow !== each.live);
      const { isolation, readyMs } = shadow;
      const told = { isolation, readyMs: Math.round(readyMs), compared: compared.length };
      if (different.length === 0) {
        log.info(told, 'rehearsed: a gateway boots from the snapshot');
        return 'proven';
      }
      log.error({ ...told, different: different.slice(0, 10) }, 'a rehearsed gateway answers differently');
      return 'differs';
    } catch (error) {
      if (signal.aborted) return 'failed';
      log.error({ reason: error instanceof Error ? error.message : String(error) }, 'a rehearsal failed');
      return 'failed';
    }
  }

  #sample(): Map<Question, string> {
    const { refs, random, answer } = this.#options;
    const names = refs();
    const sample = new Map<Question, string>();
    const step = Math.max(1, names.length / sampleMax);
    for (let at = random.fraction() * step; at < names.length; at += step) {
      const name = names[Math.floor(at)]!;
      const slash = name.indexOf('/');
      const kind = name.slice(0, slash);
      if (!isKindName(kind)) continue;
      const question = { kind, key: name.slice(slash + 1) };
      sample.set(question, answer(question));
    }
    return sample;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#loop.stop();
  }
}
