import type { Clock } from '../../contexts/base/clock.ts';
import type { EndReason } from '../api/events/event.ts';
import { endText, heartbeatText } from './event-text.ts';

/** What a stream is fed with. */
export interface EventSource {
  /** What comes after the position, as text of a bounded length; `text` is empty where nothing concerns the reader. */
  after(position: number): Promise<{ text: string; position: number } | 'nothing'>;
  /** Aborted once something may have come. */
  news(): AbortSignal;
  isAllowed(): Promise<boolean>;
  idOf(position: number): string;
}

export interface EventStreamOptions {
  clock: Clock;
  heartbeatMs: number;
  source: EventSource;
  position: number;
  /** What is sent first. */
  greeting: string;
  onOver(how: EndReason | 'left'): void;
}

/**
 * What one reader is sent. Nothing is read for it before it asks for more, so that a reader costs one piece of text at
 * the most, however slow it is.
 *
 * States: *asked* (the reader waits: the next piece, a heartbeat or the end is sent as soon as there is one) and *unread*
 * (the last piece has not been taken) in turn, until *over*: ended by the hub or left by the reader.
 */
export class EventStream {
  readonly #options: EventStreamOptions;
  readonly #over = new AbortController();
  readonly #encoder = new TextEncoder();
  readonly readable: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #position: number;
  #asked = false;
  #unreadSince: number;
  #heartbeatAt: number;

  constructor(options: EventStreamOptions) {
    const { clock, position, greeting, heartbeatMs } = options;
    this.#options = options;
    this.#position = position;
    this.#unreadSince = clock.monotonic();
    this.#heartbeatAt = clock.monotonic() + heartbeatMs;
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          controller.enqueue(this.#encoder.encode(greeting));
        },
        pull: () => this.#pull(),
        cancel: () => void this.#finish('left'),
      },
      { highWaterMark: 0 }, // nothing ahead of the reader
    );
  }

  /** Milliseconds for which what was sent has not been taken; 0 while the reader waits for more. */
  get unreadMs(): number {
    return this.#asked ? 0 : this.#options.clock.monotonic() - this.#unreadSince;
  }

  /** Ends it with a last event that says why and what to do. */
  end(reason: EndReason): void {
    if (!this.#finish(reason)) return;
    this.#controller.enqueue(
      this.#encoder.encode(endText(this.#options.source.idOf(this.#position), reason)),
    );
    this.#controller.close();
  }

  async #pull(): Promise<void> {
    const { clock, heartbeatMs, source } = this.#options;
    this.#asked = true;
    try {
      for (;;) {
        const news = source.news(); // before the look, so that what comes during it is not lost
        if (!(await source.isAllowed())) return this.end('refused');
        const next = await source.after(this.#position);
        if (this.#over.signal.aborted) return;
        if (next !== 'nothing') {
          this.#position = next.position;
          if (next.text !== '') return this.#send(next.text);
          continue;
        }
        const leftMs = this.#heartbeatAt - clock.monotonic();
        if (leftMs <= 0) return this.#send(heartbeatText(source.idOf(this.#position)));
        await clock.sleep(Math.min(leftMs, heartbeatMs), AbortSignal.any([news, this.#over.signal]));
        if (this.#over.signal.aborted) return;
      }
    } catch {
      this.end('unavailable');
    } finally {
      this.#asked = false;
      this.#unreadSince = clock.monotonic();
    }
  }

  #send(text: string): void {
    const { clock, heartbeatMs } = this.#options;
    this.#heartbeatAt = clock.monotonic() + heartbeatMs;
    this.#controller.enqueue(this.#encoder.encode(text));
  }

  /** True for the first who does. */
  #finish(how: EndReason | 'left'): boolean {
    if (this.#over.signal.aborted) return false;
    this.#over.abort();
    this.#options.onOver(how);
    return true;
  }
}
