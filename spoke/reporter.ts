import type { Logger } from '../contexts/base/log.ts';
import type { GatewayMetrics } from './metrics.ts';

/** Counts every failure and step, and logs those that are news: the first failure of a row, a gap. */
export class Reporter {
  readonly #log: Logger;
  readonly #metrics: GatewayMetrics;
  #failing = false;

  constructor(log: Logger, metrics: GatewayMetrics) {
    this.#log = log;
    this.#metrics = metrics;
  }

  stepped(step: Parameters<GatewayMetrics['stepped']>[0]): void {
    this.#metrics.stepped(step);
    if (this.#failing) this.#log.info('the store answers again');
    this.#failing = false;
    if (step === 'gap' || step === 'went-back' || step === 'new-incarnation') {
      this.#log.warn({ step }, 'announcements may have been missed; everything held is being verified');
    }
  }

  storeFailed(part: 'feed' | 'status' | 'key-uses', error: unknown): void {
    this.#metrics.storeFailed(part, error);
    if (this.#failing) return;
    this.#failing = true;
    const reason = error instanceof Error ? error.message : String(error);
    this.#log.warn({ part, reason }, 'the store does not answer; going on with what is held');
  }
}
