import { StoreError } from '../contexts/store.ts';

/**
 * Keeps one region's trouble from costing more than it must (law 4).
 *
 * *closed*: calls go through; `failuresMax` in a row that say the store is unavailable or throttled open it.
 * *open*: every call fails at once. The region's prober asks the store now and then and closes it again.
 *
 * Errors that are no sign of ill health (refused credentials, a conditional write's outcome) do not count.
 */
export class Breaker {
  #failures = 0;
  #open = false;
  readonly #failuresMax: number;
  readonly #onOpen: (cause: StoreError) => void;

  constructor(options: { failuresMax: number; onOpen: (cause: StoreError) => void }) {
    this.#failuresMax = options.failuresMax;
    this.#onOpen = options.onOpen;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** @throws StoreError `STORE_UNAVAILABLE` at once while open; else whatever `call` throws. */
  async run<Result>(call: () => Promise<Result>): Promise<Result> {
    if (this.#open)
      throw new StoreError('STORE_UNAVAILABLE', 'the breaker is open: this region is not asked for now');
    try {
      const result = await call();
      this.#failures = 0;
      return result;
    } catch (error) {
      if (error instanceof StoreError && countsAsFailure(error)) {
        this.#failures += 1;
        if (this.#failures >= this.#failuresMax && !this.#open) {
          this.#open = true;
          this.#onOpen(error);
        }
      }
      throw error;
    }
  }

  /** The store answered a probe. */
  close(): void {
    this.#open = false;
    this.#failures = 0;
  }
}

function countsAsFailure(error: StoreError): boolean {
  return (
    error.code === 'STORE_UNAVAILABLE' ||
    error.code === 'STORE_THROTTLED' ||
    error.code === 'STORE_NOT_INITIALISED'
  );
}
