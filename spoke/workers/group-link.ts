import type { Clock } from '../../contexts/base/clock.ts';
import { Loop } from '../../contexts/base/loop.ts';
import type { RateState } from '../../contexts/base/rate-limit/bucket.ts';
import type { ContextRef } from '../../contexts/kinds/index.ts';
import type { Change } from '../cache/holding.ts';
import type { RateQuestion } from '../rate-limit/shared.ts';
import type { Gateway } from '../wire.ts';
import type { FromGroup, FromWorker, GroupOfWorkers, WorkerState } from './messages.ts';

/** The process's end of the channel, or something that behaves like it. */
export interface Channel {
  /** Resolves when it is on its way, or nobody is there any more. */
  send(message: FromWorker): Promise<void>;
  on(heard: (message: FromGroup, handle: unknown) => void): void;
  onClosed(fn: () => void): void;
}

/** How often it is looked whether there is something to tell. */
const lookEveryMs = 25;
/** Contexts of which the group was not told yet; beyond that it is not told of them. */
const untoldMax = 10_000;
/** How long a scrape waits for the group. */
const scrapeWithinMs = 5_000;

/** Why a worker is to end, and how long its idle connections have. */
export interface Retirement {
  why: 'retired' | 'group-gone';
  lingerMs: number;
}

/** A worker's link to its group: tells how it is, and does what it is told. */
export class GroupLink implements GroupOfWorkers, AsyncDisposable {
  readonly #channel: Channel;
  readonly #clock: Clock;
  readonly #loop: Loop;
  readonly #retired = Promise.withResolvers<Retirement>();
  readonly #scrapes = new Map<number, (text: string) => void>();
  readonly #rates = new Map<number, (states: readonly RateState[]) => void>();
  #untold: ContextRef[] = [];
  #told = '';
  #gateway: Gateway | undefined;
  #slot: string | undefined;
  #asked = 0;

  readonly #tellsHeld: boolean;

  constructor(options: {
    channel: Channel;
    clock: Clock;
    /** Whether another worker keeps the snapshot, and is to know what is held here. */
    tellsHeld: boolean;
    onError(error: unknown): void;
  }) {
    const { channel, clock, tellsHeld, onError } = options;
    this.#channel = channel;
    this.#clock = clock;
    this.#tellsHeld = tellsHeld;
    this.#loop = new Loop({
      name: 'group-link',
      clock,
      everyMs: lookEveryMs,
      turn: async () => this.#tell(),
      onError,
    });
    channel.on((message, handle) => void this.#heard(message, handle).catch(onError));
    channel.onClosed(() => this.#retired.resolve({ why: 'group-gone', lingerMs: 0 }));
  }

  get loopAgeMs(): number {
    return this.#loop.ageMs();
  }

  /** Resolves when the worker is to end. */
  get retired(): Promise<Retirement> {
    return this.#retired.promise;
  }

  /** The gateway has booted: the group decides when it listens. */
  serve(gateway: Gateway, slot: string | undefined): void {
    this.#gateway = gateway;
    this.#slot = slot;
    this.#loop.start();
  }

  changed(change: Change): void {
    if (
      !this.#tellsHeld ||
      change.is !== 'held' ||
      change.replaces !== 'nothing' ||
      this.#untold.length >= untoldMax
    )
      return;
    const { kind, key } = change.holding;
    this.#untold.push({ kind, key });
  }

  /** The metrics of all workers. @throws Error where the group does not answer. */
  async scrape(): Promise<string> {
    const asked = ++this.#asked;
    const patience = new AbortController();
    const late = this.#clock.sleep(scrapeWithinMs, patience.signal).then(() => {
      throw new Error('the group of workers does not answer');
    });
    late.catch(() => {}); // nobody waits for it any more where the answer came first
    const answered = new Promise<string>((resolve) => this.#scrapes.set(asked, resolve));
    void this.#channel.send({ is: 'scrape', asked });
    try {
      return await Promise.race([answered, late]);
    } finally {
      this.#scrapes.delete(asked);
      patience.abort();
    }
  }

  /** Whoever asks does so one question after the other, so no more of them are kept than one that has no answer. */
  rates(questions: readonly RateQuestion[]): Promise<readonly RateState[]> {
    const asked = ++this.#asked;
    const answered = new Promise<readonly RateState[]>((resolve) => this.#rates.set(asked, resolve));
    void this.#channel.send({ is: 'rates', asked, questions });
    return answered;
  }

  async #heard(message: FromGroup, handle: unknown): Promise<void> {
    switch (message.is) {
      case 'listen':
        await this.#channel.send({ is: 'listening', url: await this.#gateway!.listen(handle) });
        break;
      case 'retire':
        this.#retired.resolve({ why: 'retired', lingerMs: message.lingerMs });
        break;
      case 'hold':
        for (const { kind, key } of message.refs) void this.#gateway?.cache.get(kind, key, 'reference');
        break;
      case 'tell-metrics': {
        const metrics = (await this.#gateway?.metrics.registry.getMetricsAsJSON()) ?? [];
        await this.#channel.send({ is: 'metrics', asked: message.asked, metrics });
        break;
      }
      case 'scraped':
        this.#scrapes.get(message.asked)?.(message.text);
        break;
      case 'rated':
        this.#rates.get(message.asked)?.(message.states);
        this.#rates.delete(message.asked);
        break;
    }
  }

  #tell(): void {
    const state: WorkerState = { ...this.#gateway!.state(), slot: this.#slot };
    const text = JSON.stringify(state);
    if (text !== this.#told) void this.#channel.send({ is: 'state', state });
    this.#told = text;
    if (this.#untold.length > 0) void this.#channel.send({ is: 'holds', refs: this.#untold });
    this.#untold = [];
  }

  /** Tells how the gateway ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop.stop();
    const metrics = await this.#gateway?.metrics.registry.getMetricsAsJSON();
    if (metrics) await this.#channel.send({ is: 'metrics', asked: 0, metrics });
  }
}

/** The channel of this process to the one that forked it. */
export function processChannel(): Channel {
  return {
    send: (message) =>
      new Promise((resolve) => {
        if (!process.connected) resolve();
        else process.send!(message, undefined, undefined, () => resolve());
      }),
    on: (heard) => process.on('message', (message, handle) => heard(message as FromGroup, handle)),
    onClosed(fn) {
      if (process.connected) process.once('disconnect', fn);
      else fn();
    },
  };
}
