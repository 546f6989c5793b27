import { exitCodes } from '../exit-codes.ts';

/** The run was asked to end. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

/**
 * Ctrl-C (and SIGTERM, as CI sends it) asks for an end: what only reads or waits is given up at once, what changes
 * something ends after the requests under way. A second one ends at once. What was begun then stands in the notes
 * beside the secrets.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener: () => void;
  /** Of `orEnd` that are waited for: then nothing is under way that would have to end first. */
  #idle = 0;

  constructor(say: (line: string) => void) {
    this.#listener = () => {
      if (this.signal.aborted) process.exit(exitCodes.interrupted);
      if (this.#idle === 0) say('\nEnding after the requests under way. Again ends at once.');
      this.#controller.abort();
    };
    for (const name of signals) process.on(name, this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits for what changes nothing. @throws Interrupted as soon as an end is asked for. */
  async orEnd<Result>(work: Promise<Result>): Promise<Result> {
    const { signal } = this;
    const ended = Promise.withResolvers<never>();
    const end = () => ended.reject(new Interrupted());
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    this.#idle += 1;
    try {
      return await Promise.race([work, ended.promise]);
    } finally {
      this.#idle -= 1;
      signal.removeEventListener('abort', end);
    }
  }

  [Symbol.dispose](): void {
    for (const name of signals) process.removeListener(name, this.#listener);
  }
}

const signals = ['SIGINT', 'SIGTERM'] as const;
