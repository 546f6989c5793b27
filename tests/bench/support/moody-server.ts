import { systemClock } from '../../../contexts/base/clock.ts';
import { type Hazard, HttpProxy } from '../../support/http-proxy.ts';

/** How a region's store behaves. */
export type Mood = 'healthy' | 'hanging' | 'just-under-the-timeout' | 'flapping';
export const moods: readonly Mood[] = ['healthy', 'hanging', 'just-under-the-timeout', 'flapping'];

const flapEveryMs = 5000;

/** Stands before a store: passes on, takes connections and never answers, answers late, or does one and the other. */
export class MoodyServer implements AsyncDisposable {
  readonly #proxy: HttpProxy;
  readonly #lateMs: number;
  #trouble: Hazard | undefined;
  #flapping: AbortController | undefined;

  private constructor(proxy: HttpProxy, lateMs: number) {
    this.#proxy = proxy;
    this.#lateMs = lateMs;
  }

  static async start(target: string, lateMs: number): Promise<MoodyServer> {
    return new MoodyServer(await HttpProxy.start(target), lateMs);
  }

  get url(): string {
    return this.#proxy.url;
  }

  become(mood: Mood): void {
    this.#flapping?.abort();
    this.#end();
    if (mood === 'hanging') this.#hang();
    if (mood === 'just-under-the-timeout') this.#trouble = this.#proxy.delay({}, this.#lateMs);
    if (mood === 'flapping') {
      this.#flapping = new AbortController();
      void this.#flap(this.#flapping.signal);
    }
  }

  async #flap(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#trouble) this.#end();
      else this.#hang();
      await systemClock.sleep(flapEveryMs, signal);
    }
  }

  /** Whoever asked gives up some time; nothing of it ever reaches the store. */
  #hang(): void {
    this.#trouble = this.#proxy.use({}, () => new Promise<never>(() => {}));
  }

  #end(): void {
    this.#trouble?.end();
    this.#trouble = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.become('healthy');
    await this.#proxy[Symbol.asyncDispose]();
  }
}
