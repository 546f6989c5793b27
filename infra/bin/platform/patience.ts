import type { Clock } from '../../../contexts/base/clock.ts';
import { ProgressLine } from '../progress-line.ts';

/** What is quicker needs no words. */
const silentMs = 2_000;

/** A line of progress for what turns out to take long. */
export class Patience implements Disposable {
  readonly #line = new ProgressLine();
  readonly #clock: Clock;
  readonly #startedAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  show(text: string): void {
    if (this.#clock.monotonic() - this.#startedAt >= silentMs) this.#line.show(text);
  }

  [Symbol.dispose](): void {
    this.#line.end();
  }
}
