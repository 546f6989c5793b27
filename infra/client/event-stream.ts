import type { AuditEvent, HubEvent, PropagationEvent } from './generated/hub-api.ts';
import { startTimer } from './timer.ts';

export type FollowedEvent = AuditEvent | PropagationEvent;

/** A stream of events, once it is open. */
export interface OpenedStream {
  body: ReadableStream<Uint8Array>;
}

export interface FollowOptions {
  /** Opens the stream after that id. @throws whatever the hub, or the way to it, refuses with. */
  open(lastEventId: string | undefined, signal: AbortSignal): Promise<OpenedStream>;
  /** Whether to try again after what `open` threw. */
  isPassing(error: unknown): boolean;
  /** The first id to go on from. */
  lastEventId: string | undefined;
  signal: AbortSignal | undefined;
  onPosition(id: string): void;
}

/** The hub sends a comment every 15 s unless it was told otherwise; after this much silence the connection is dead. */
const silenceMsMax = 60_000;
/** Unless the hub says otherwise. */
const retryMsDefault = 1_000;
const retryMsMax = 30_000;

/** The hub ended the stream, and it cannot be gone on with. */
export class EventsEnded extends Error {
  override name = 'EventsEnded';
  readonly reason: string;

  constructor(reason: string, detail: string) {
    super(`the hub ended the stream of events (${reason}): ${detail}`);
    this.reason = reason;
  }
}

/**
 * Every event from there on, once each and in order. A connection that breaks, or falls silent, is opened again after
 * the last event; only what the first attempt is refused with, and what trying again cannot mend, is thrown.
 */
export async function* followEvents(options: FollowOptions): AsyncGenerator<FollowedEvent, void, undefined> {
  const { open, isPassing, signal, onPosition } = options;
  let { lastEventId } = options;
  let hasOpened = false;
  let retryMs = retryMsDefault;
  let waitMs = retryMs;
  while (!signal?.aborted) {
    const silence = new AbortController();
    const both = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
    let endPatience = startTimer(silenceMsMax, () => silence.abort());
    try {
      const { body } = await open(lastEventId, both);
      for await (const part of parts(body)) {
        endPatience();
        endPatience = startTimer(silenceMsMax, () => silence.abort());
        hasOpened = true;
        retryMs = part.retryMs ?? retryMs;
        waitMs = retryMs;
        if (part.id !== undefined) {
          lastEventId = part.id;
          onPosition(part.id);
        }
        const { event } = part;
        if (event?.event === 'audit' || event?.event === 'propagation') yield event;
        if (event?.event === 'end' && (event.data.reason === 'refused' || event.data.reason === 'restored'))
          throw new EventsEnded(event.data.reason, event.data.detail);
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (error instanceof EventsEnded || (!silence.signal.aborted && !isPassing(error)) || !hasOpened)
        throw error;
    } finally {
      endPatience();
      silence.abort(); // whatever is still open of this connection
    }
    await pause(waitMs, signal);
    waitMs = Math.min(waitMs * 2, retryMsMax);
  }
}

interface Part {
  id: string | undefined;
  /** How long to wait before it is opened again. */
  retryMs?: number;
  /** Undefined for a comment, and for an event of a kind that this client does not know. */
  event: HubEvent | undefined;
}

const kinds: Readonly<Record<HubEvent['event'], true>> = {
  audit: true,
  propagation: true,
  ready: true,
  end: true,
};

/** The blocks of a text/event-stream, comments included, as they arrive. */
async function* parts(body: ReadableStream<Uint8Array>): AsyncGenerator<Part, void, undefined> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const pieces = (text + decoder.decode(value, { stream: true })).split('\n\n');
      text = pieces.pop()!;
      for (const piece of pieces) yield parsePart(piece);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function parsePart(block: string): Part {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const [, name, value] = /^([^:]+):[ ]?(.*)$/.exec(line) ?? [];
    if (name !== undefined) fields.set(name, value!);
  }
  const [id, event, data] = [fields.get('id'), fields.get('event'), fields.get('data')];
  const retry = Number(fields.get('retry') ?? Number.NaN);
  const told = { id, ...(retry > 0 ? { retryMs: retry } : {}) };
  if (data === undefined || event === undefined || !(event in kinds)) return { ...told, event: undefined };
  return { ...told, event: { id, event, data: JSON.parse(data) } as HubEvent };
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stop();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const stop = startTimer(ms, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
