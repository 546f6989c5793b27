import { hash } from 'node:crypto';
import type { Clock } from '../../contexts/base/clock.ts';
import type { Queryable } from '../db/client.ts';
import { boundGuesses, countGuess, forgiveGuess, type GuessNames, knowPlace } from '../db/guesses.ts';

/** For how long a place counts as known after a password has worked there. */
const knownMs = 30 * 86_400_000;
/** Rows of either kind that a flood of made-up names leaves, and how many a hub adds before it looks. */
const rowsMax = 100_000;
const looksEvery = 1_000;

export type Guess =
  | { outcome: 'limited'; waitMs: number }
  /** It counts as a failure until one of these is called. */
  | {
      outcome: 'counted';
      /** It was right: no failure, and where it came from is known from now on. */
      worked(): Promise<void>;
      /** Nothing was found out, through no fault of who tried. */
      untold(): Promise<void>;
    };

/**
 * How often somebody may guess at what people choose, in fixed windows: each source address and each account so many
 * times, together over all hubs. Counted before the guess is judged, so that many at once count too. While somebody
 * guesses at an account it is kept from addresses where it is not known; an address where its password has worked is
 * counted by itself, so that others' failures do not keep its holder out.
 *
 * One address adds no more rows than it has guesses; a flood from many is bounded by {@link rowsMax}. Where Postgres
 * does not answer, nobody is let guess, as nobody could be let in. docs/adr/0047-shared-guesses.md.
 */
export class GuessLimits {
  readonly #options: {
    db: Queryable;
    clock: Clock;
    windowMs: number;
    failuresMax: number;
    rowsMax: number;
    looksEvery: number;
  };
  #unlooked = 0;

  constructor(options: {
    db: Queryable;
    clock: Clock;
    windowMs: number;
    failuresMax: number;
    rowsMax?: number;
    looksEvery?: number;
  }) {
    this.#options = { ...{ rowsMax, looksEvery }, ...options };
  }

  async guess(source: string, account: string): Promise<Guess> {
    const { db, clock, windowMs, failuresMax } = this.#options;
    const nowMs = clock.now();
    const names = namesOf(source, account);
    const count = await countGuess(db, names, { nowMs, endsAtMs: nowMs + windowMs, failuresMax });
    if (count.outcome === 'full')
      return { outcome: 'limited', waitMs: Math.max(1, count.untilMs - clock.now()) };
    await this.#bound();
    const others = count.names.filter((name) => name !== names.pair);
    return {
      outcome: 'counted',
      worked: async () => {
        if (others.length > 0) await forgiveGuess(db, others);
        const workedMs = clock.now();
        await knowPlace(db, names.pair, { nowMs: workedMs, knownUntilMs: workedMs + knownMs });
      },
      untold: () => forgiveGuess(db, count.names),
    };
  }

  async #bound(): Promise<void> {
    this.#unlooked += 1;
    if (this.#unlooked < this.#options.looksEvery) return;
    this.#unlooked = 0;
    await boundGuesses(this.#options.db, this.#options.rowsMax);
  }
}

function namesOf(source: string, account: string): GuessNames {
  const name = (text: string) => hash('sha256', text, 'base64url');
  return {
    source: name(`source ${source}`),
    account: name(`account ${account}`),
    pair: name(`pair ${source} ${account}`),
  };
}
