import type { Clock, Timer } from '../../contexts/base/clock.ts';
import type { RateLimit, RateState } from '../../contexts/base/rate-limit/bucket.ts';
import { LocalRateLimiter, type RateLimiter } from '../../contexts/base/rate-limit/limiter.ts';

/** What a worker asks whoever counts for its group. */
export interface RateQuestion {
  readonly verb: 'take' | 'look';
  readonly keyId: string;
  readonly rate: RateLimit;
}

/** Whoever counts for the group. */
export interface RateCounter {
  /** An answer a question, in their order. Never rejects; never resolves where nobody is there any more. */
  rates(questions: readonly RateQuestion[]): Promise<readonly RateState[]>;
}

/** An answer takes well under a millisecond. After this long the group is busy with something else, or hangs. */
const answerWithinMs = 40;
/** Looked at once more after this: an answer may lie there unread, where it was this worker that was busy. */
const onceMoreMs = 10;
/** Questions that wait for the answer to those before them. */
const waitingMax = 1_000;

interface Waiting {
  question: RateQuestion;
  resolve(state: RateState): void;
}

/**
 * Counts for all workers of a gateway together, by asking the group that keeps the counts.
 *
 * - *idle*: no question is under way; the next one is asked at once;
 * - *asking*: one message is under way; what is asked meanwhile waits, and goes together in the next;
 * - *alone*: the answer did not come in time. Everything is answered here, out of this worker's share of each limit,
 *   and nothing is asked, until that answer comes after all.
 *
 * So a request waits for {@link answerWithinMs} and a little, twice at the most, and a group that hangs costs that once.
 * What was granted alone the group does not learn of: N workers grant no more than a limit out of their shares, beside
 * what the group had granted before.
 */
export class SharedRateLimiter implements RateLimiter {
  readonly #group: RateCounter;
  readonly #workers: number;
  readonly #clock: Clock;
  readonly #share: LocalRateLimiter;
  readonly #onAlone: () => void;
  #state: 'idle' | 'asking' | 'alone' = 'idle';
  #waiting: Waiting[] = [];

  /**
   * @param keysMax keys that are counted at a time in this worker's share.
   * @param onAlone a request was counted here.
   */
  constructor(options: {
    group: RateCounter;
    workers: number;
    clock: Clock;
    keysMax: number;
    onAlone(): void;
  }) {
    const { group, workers, clock, keysMax, onAlone } = options;
    this.#group = group;
    this.#workers = workers;
    this.#clock = clock;
    this.#share = new LocalRateLimiter({ clock, keysMax });
    this.#onAlone = onAlone;
  }

  take(keyId: string, rate: RateLimit): RateState | Promise<RateState> {
    return this.#answer({ verb: 'take', keyId, rate });
  }

  look(keyId: string, rate: RateLimit): RateState | Promise<RateState> {
    return this.#answer({ verb: 'look', keyId, rate });
  }

  #answer(question: RateQuestion): RateState | Promise<RateState> {
    if (this.#state === 'alone' || this.#waiting.length >= waitingMax) return this.#alone(question);
    return new Promise((resolve) => {
      this.#waiting.push({ question, resolve });
      if (this.#state === 'idle') this.#ask();
    });
  }

  #ask(): void {
    const asked = this.#waiting;
    this.#waiting = [];
    this.#state = 'asking';
    let timer: Timer;
    const giveUp = () => {
      this.#state = 'alone';
      const unanswered = [...asked, ...this.#waiting];
      this.#waiting = [];
      for (const { question, resolve } of unanswered) resolve(this.#alone(question));
    };
    timer = this.#clock.timer(answerWithinMs, () => {
      timer = this.#clock.timer(onceMoreMs, giveUp);
    });
    void this.#group.rates(asked.map(({ question }) => question)).then((states) => {
      timer.cancel();
      this.#state = 'idle';
      for (const [at, { resolve }] of asked.entries()) resolve(states[at]!); // no effect on those that gave up
      if (this.#waiting.length > 0) this.#ask();
    });
  }

  #alone({ verb, keyId, rate }: RateQuestion): RateState {
    if (verb === 'take') this.#onAlone();
    return { ...this.#share[verb](keyId, shareOf(rate, this.#workers)), rate };
  }
}

/** One worker's part of a limit: of its pace exactly, of its burst rounded down, and one request at the least. */
function shareOf({ limit, windowMs }: RateLimit, workers: number): RateLimit {
  const share = Math.max(1, Math.floor(limit / workers));
  return { limit: share, windowMs: (share * windowMs * workers) / limit };
}
