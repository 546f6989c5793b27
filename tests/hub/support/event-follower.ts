import { eventReader } from './contract-stream.ts';
import type { TestHub } from './hub.ts';

export interface ReadEvent {
  id: string;
  event?: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests name the fields they look at, and the contract has checked them
  data?: any;
}

/** Follows the events of a hub, one at a time. `next` also gives heartbeats, which have an id alone. */
export class EventFollower implements AsyncDisposable {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #read = eventReader();
  readonly #events: ReadEvent[] = [];

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
  }

  /** @param from what to go on from, as a browser gives it. Resolves once `ready` has come. */
  static async open(hub: TestHub, secret: string, from?: string): Promise<EventFollower> {
    const headers = { authorization: `Bearer ${secret}`, ...(from ? { 'last-event-id': from } : {}) };
    const response = await fetch(`${hub.url}/v1/events`, { headers });
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
    const follower = new EventFollower(response.body!);
    const { event } = (await follower.next())!;
    if (event !== 'ready') throw new Error(`it began with ${event}`);
    return follower;
  }

  /** The next event; undefined where the stream has ended. */
  async next(): Promise<ReadEvent | undefined> {
    while (this.#events.length === 0) {
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#events.push(...(this.#read(value) as ReadEvent[]));
    }
    return this.#events.shift();
  }

  /** The next events that say something, so many of them. */
  async take(count: number): Promise<ReadEvent[]> {
    const taken: ReadEvent[] = [];
    while (taken.length < count) {
      const event = await this.next();
      if (event === undefined) throw new Error(`the stream ended after ${JSON.stringify(taken)}`);
      if (event.data !== undefined) taken.push(event);
    }
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }
}

/** How many follow the events of that hub now. */
export async function openStreams({ hub }: TestHub): Promise<number> {
  return (await hub.services.metrics.eventStreams.get()).values[0]!.value;
}
