/** An event as it is sent. */
export interface RenderedEvent {
  position: number;
  tenantId: string | null;
  text: string;
}

/** Characters that are remembered for readers that keep up, and that one of them is sent at a time. */
const rememberedMax = 4 * 1024 * 1024;
const sentMax = 256 * 1024;
/** Further ahead than this, readers read for themselves. */
const stepMax = 200;

/** The latest events, without a gap, for all readers that are that far. Bounded in text. */
export class EventTail {
  #events: RenderedEvent[] = [];
  /** Everything after this, and up to `#last`, is here. */
  #after = 0;
  #last = 0;
  #length = 0;

  canFollow(from: number, to: number): boolean {
    return to > from && to - from <= stepMax;
  }

  /** Forgets all: what comes after that position is to follow. */
  startAfter(position: number): void {
    this.#events = [];
    this.#length = 0;
    this.#after = position;
    this.#last = position;
  }

  /** Everything there is after `from` and up to `to`. */
  append(from: number, to: number, events: readonly RenderedEvent[]): void {
    if (this.#last !== from) this.startAfter(from);
    for (const event of events) {
      this.#events.push(event);
      this.#length += event.text.length;
    }
    this.#last = to;
    while (this.#length > rememberedMax) {
      const { position, text } = this.#events.shift()!;
      this.#length -= text.length;
      this.#after = position;
    }
  }

  /** What a reader at that position is sent next; undefined where that is not remembered. */
  after(position: number, tenantId: string | null): { text: string; position: number } | undefined {
    if (position < this.#after || position >= this.#last) return undefined;
    const isNext = (event: RenderedEvent) =>
      event.position > position && (tenantId === null || event.tenantId === tenantId);
    return pieceOf(this.#events.filter(isNext), this.#last);
  }
}

/**
 * What is sent of these events at a time: one at least, and no more than {@link sentMax} of several.
 * @param last the position that a reader has come to who was sent all of them.
 */
export function pieceOf(events: readonly RenderedEvent[], last: number): { text: string; position: number } {
  let text = '';
  for (const event of events) {
    if (text !== '' && text.length + event.text.length > sentMax)
      return { text, position: event.position - 1 };
    text += event.text;
  }
  return { text, position: last };
}
