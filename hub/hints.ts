import { eventsChannel } from './db/events.ts';
import { outboxChannel } from './db/outbox.ts';

export interface HintsOptions {
  notify(channels: readonly string[]): Promise<void>;
  onError(error: unknown): void;
}

/**
 * Tells relays and followers of events that something has committed, after it has: Postgres would commit transactions
 * that notify one after the other (docs/adr/0048-notify-after-commit.md).
 *
 * Nobody needs to know what committed: relays are told where there is something in the outbox, whoever wrote it, and a
 * change that touches no context (an application key, a user) wakes none of them.
 *
 * One statement is under way at a time. What commits meanwhile is told by the next, however many changes that are, so
 * that hints are fewest when there is most to do. One that fails is not repeated: who listens polls as well, and nothing
 * but a fraction of a second is lost.
 */
export class Hints implements AsyncDisposable {
  readonly #options: HintsOptions;
  /** Something has committed since the statement under way was sent. */
  #due = false;
  #giving: Promise<void> | undefined;

  constructor(options: HintsOptions) {
    this.#options = options;
  }

  /** Something has committed. Nobody waits for the hint. */
  give(): void {
    this.#due = true;
    this.#giving ??= this.#give();
  }

  /** Once those that are due are given, or have failed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#giving;
  }

  async #give(): Promise<void> {
    const { notify, onError } = this.#options;
    while (this.#due) {
      this.#due = false;
      await notify([outboxChannel, eventsChannel]).catch(onError);
    }
    this.#giving = undefined; // at once, so that no hint falls between two
  }
}
