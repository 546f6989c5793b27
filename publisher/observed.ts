import type { Clock } from '../contexts/base/clock.ts';
import { withDeadline } from '../contexts/base/deadline.ts';

/**
 * A value that lives elsewhere (in Postgres, in a queue, in a region's store) and is looked at when metrics are.
 *
 * Whoever is asked may not answer. So a look takes `withinMs` at the most, there is never more than one under way
 * (those that hang must not use up the connections of the work itself), and `sinceMs` tells how old the last answer
 * is. An age that is shown adds that to what it saw last: one that cannot be asked for grows.
 */
export class Observed<Value> {
  readonly #clock: Clock;
  readonly #look: () => Promise<Value>;
  #value: Value | undefined;
  #seenAt: number;
  #looking: Promise<void> | undefined;

  constructor(options: { clock: Clock; look(): Promise<Value> }) {
    this.#clock = options.clock;
    this.#look = options.look;
    this.#seenAt = options.clock.monotonic();
  }

  /** What was seen last; undefined before the first answer. */
  get value(): Value | undefined {
    return this.#value;
  }

  /** Milliseconds since it was asked for what it answered last; since construction, before the first answer. */
  get sinceMs(): number {
    return this.#clock.monotonic() - this.#seenAt;
  }

  /** Looks, and resolves when there is an answer or none came within `withinMs`. Never rejects. */
  async look(withinMs: number): Promise<void> {
    this.#looking ??= this.#see().finally(() => {
      this.#looking = undefined;
    });
    const looking = this.#looking;
    await withDeadline(
      this.#clock,
      withinMs,
      () => looking,
      () => new Error('late'),
    ).catch(() => {}); // the age that grows is the report
  }

  async #see(): Promise<void> {
    const askedAt = this.#clock.monotonic();
    this.#value = await this.#look();
    this.#seenAt = askedAt;
  }
}
