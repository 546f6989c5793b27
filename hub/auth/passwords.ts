import { hash, parseOptions, verify } from '@node-rs/argon2';
import { ProblemError } from '../http/problems.ts';

/**
 * Passwords, as OWASP recommends: Argon2id with 19 MiB, two passes and one lane; by length alone, without rules about
 * which characters (people answer those with `Password1!`). 15 characters, because there is no second factor.
 */
export const passwordLength = { least: 15, most: 256 };
/** `algorithm: 2` is Argon2id, the library's default; its enum is of a kind that is not there when types are stripped. */
const parameters = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** The hash of a password nobody has, by these parameters: what a check costs must not tell whether there is an account. */
const decoy =
  '$argon2id$v=19$m=19456,t=2,p=1$l8F1FAJpniKtlxaWk/bagA$KCUKr+ZVnNY/lUqZDZtjAXCQTsZHjODA9CSCtviYUH8';

/** What is wrong with a new password, in words that follow its name; undefined where nothing is. */
export function passwordFault(password: string, email: string): string | undefined {
  const length = [...composed(password)].length;
  if (length < passwordLength.least)
    return `must have at least ${passwordLength.least} characters; several words are easier to remember than signs`;
  if (length > passwordLength.most) return `must have at most ${passwordLength.most} characters`;
  if (password.trim().toLowerCase() === email) return 'must not be your email address';
  if (new Set(password).size < 4) return 'must not repeat the same few characters';
  return undefined;
}

export type PasswordCheck = 'right' | 'right-but-weak-hash' | 'wrong' | 'no-password';

/** Hashes and checks passwords, few at a time: each costs 19 MiB and tens of milliseconds of a core. */
export class Passwords {
  readonly #atOnceMax: number;
  readonly #onCheck: (outcome: Exclude<PasswordCheck, 'no-password'>) => void;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: {
    atOnceMax: number;
    onCheck: (outcome: Exclude<PasswordCheck, 'no-password'>) => void;
  }) {
    this.#atOnceMax = options.atOnceMax;
    this.#onCheck = options.onCheck;
  }

  hash(password: string): Promise<string> {
    return this.#inTurn(() => hash(composed(password), parameters));
  }

  /** Checks against `stored`; where there is none, as long against nothing. @throws ProblemError 503 beyond the bound. */
  async check(password: string, stored: string | null | undefined): Promise<PasswordCheck> {
    const usable = password.length <= 4 * passwordLength.most;
    const matches = await this.#inTurn(() =>
      verify(stored ?? decoy, usable ? composed(password) : '').catch(() => false),
    );
    const outcome = judge(matches && usable, stored);
    // Counted alike: anybody may read the metrics, and could tell from them whether there is an account.
    this.#onCheck(outcome === 'no-password' ? 'wrong' : outcome);
    return outcome;
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#running >= this.#atOnceMax) {
      if (this.#waiting.length >= 8 * this.#atOnceMax)
        throw new ProblemError('OVERLOADED', { headers: { 'retry-after': '1' } });
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running += 1;
    try {
      return await work();
    } finally {
      // The place is handed on rather than given up, so that nobody who comes now overtakes who waits.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}

function judge(matches: boolean, stored: string | null | undefined): PasswordCheck {
  if (!stored) return 'no-password';
  if (!matches) return 'wrong';
  const { memoryCost, timeCost, parallelism } = parseOptions(stored);
  const asNow =
    memoryCost === parameters.memoryCost &&
    timeCost === parameters.timeCost &&
    parallelism === parameters.parallelism;
  return asNow ? 'right' : 'right-but-weak-hash';
}

/** Equal looks are equal, whichever keyboard they come from. */
function composed(password: string): string {
  return password.normalize('NFC');
}
