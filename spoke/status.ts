import type { Clock } from '../contexts/base/clock.ts';
import { backoffMs, Loop } from '../contexts/base/loop.ts';
import { jittered, type Random } from '../contexts/base/random.ts';
import type { FeedHead, GatewayStatus, Store } from '../contexts/store.ts';
import { within } from './within.ts';

/** A gateway that has not reported for this many periods counts as dead. */
const periodsUntilDead = 3;
/** How often it is looked whether there is something to report. That asks nobody. */
const lookEveryMs = 25;

/** A new gateway's name for itself. */
export function gatewayId(random: Random): string {
  return `gw_${Buffer.from(random.bytes(12)).toString('hex')}`;
}

export interface StatusWriterOptions {
  store: Pick<Store, 'reportGateway'>;
  clock: Clock;
  random: Random;
  /** Between two reports while nothing moves. */
  everyMs: number;
  /** Between two reports at the least, however fast the position moves. */
  soonMs: number;
  timeoutMs: number;
  /** Up to where of which feed every announcement is in force; undefined while there is nothing to tell. */
  position(): FeedHead | undefined;
  /** The rest of the status that changes. */
  look(): Pick<GatewayStatus, 'cachedContexts' | 'degraded' | 'reportsKeyUses'>;
  id: string;
  region: string;
  build: string;
  onError(error: unknown): void;
}

/**
 * Writes into the region's store that this gateway lives and how far it is: what the hub knows of gateways it reads
 * from there. It reports every `everyMs`, and soon after its position moved, since somebody may wait to know. A
 * failure is reported and costs nothing but that report.
 */
export class StatusWriter implements AsyncDisposable {
  readonly #options: StatusWriterOptions;
  readonly #loop: Loop;
  readonly #startedAtMs: number;
  #told: { at: FeedHead; atMs: number; nextInMs: number } | undefined;

  constructor(options: StatusWriterOptions) {
    const { clock, random, everyMs, soonMs, onError } = options;
    this.#options = options;
    this.#startedAtMs = clock.now();
    this.#loop = new Loop({
      name: 'gateway-status',
      clock,
      everyMs: Math.min(lookEveryMs, soonMs),
      retryMs: (failures) => jittered(random, backoffMs(failures, Math.min(everyMs, soonMs), everyMs), 0.3),
      turn: () => this.#turn(),
      onError,
    });
  }

  start(): void {
    this.#loop.start();
  }

  get ageMs(): number {
    return this.#loop.ageMs();
  }

  /** Reports for the last time: that it leaves, so that nobody waits for it. */
  async leave(): Promise<void> {
    await this.#loop.stop();
    if (this.#told === undefined) return;
    await this.#report(this.#told.at, 0).catch(this.#options.onError);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#loop.stop();
  }

  async #turn(): Promise<void> {
    const { clock, random, everyMs, soonMs, position } = this.#options;
    const at = position();
    if (at === undefined) return;
    const told = this.#told;
    if (told !== undefined) {
      const moved = at.number !== told.at.number || at.incarnation !== told.at.incarnation;
      if (clock.monotonic() - told.atMs < (moved ? Math.min(soonMs, told.nextInMs) : told.nextInMs)) return;
    }
    const atMs = clock.monotonic();
    await this.#report(at, periodsUntilDead * everyMs);
    this.#told = { at, atMs, nextInMs: jittered(random, everyMs, 0.1) };
  }

  #report(at: FeedHead, lifetimeMs: number): Promise<void> {
    const { store, clock, timeoutMs, look, id, region, build } = this.#options;
    const reportedAtMs = clock.now();
    const status: GatewayStatus = {
      ...{ id, region, build, startedAtMs: this.#startedAtMs, reportedAtMs },
      expiresAtMs: reportedAtMs + lifetimeMs,
      watermark: at.number,
      feedIncarnation: at.incarnation,
      ...look(),
    };
    return within(clock, timeoutMs, 'reporting the status', () => store.reportGateway(status));
  }
}
