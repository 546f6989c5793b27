/**
 * Ctrl-C (and SIGTERM, as CI sends it) asks for an end after the requests under way; a second one ends at once. What
 * was begun then stands in the notes beside the secrets.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener: () => void;

  constructor(say: (line: string) => void) {
    this.#listener = () => {
      if (this.signal.aborted) process.exit(130);
      say('\nEnding after the requests under way. Again ends at once.');
      this.#controller.abort();
    };
    for (const name of signals) process.on(name, this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const name of signals) process.removeListener(name, this.#listener);
  }
}

const signals = ['SIGINT', 'SIGTERM'] as const;
