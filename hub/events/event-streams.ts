import type { Clock } from '../../contexts/base/clock.ts';
import { Loop } from '../../contexts/base/loop.ts';
import { toEvent } from '../api/events/event.ts';
import type { Actor } from '../auth/actor.ts';
import type { Database } from '../db/client.ts';
import {
  eventsChannel,
  eventsKeptHours,
  type PlacedEvent,
  placeEvents,
  readEvents,
  type StreamState,
} from '../db/events.ts';
import { awaitFences } from '../db/fences.ts';
import { fail } from '../http/problems.ts';
import { Places } from '../places.ts';
import { EventStream } from './event-stream.ts';
import { EventTail, pieceOf } from './event-tail.ts';
import { eventIdOf, eventText, parseEventId } from './event-text.ts';

/** Between two looks when nobody told that there is something new. */
const pollMs = 250;
/** After a look that found something, so that many changes in a row make few looks. */
const pauseMs = 20;
/** Events read for one reader at a time, where it is behind what is remembered. */
const pageLength = 20;
/** For how long publishers look at gateways often after a change that somebody watches. */
const awaitedMs = 10_000;

export interface EventStreamsOptions {
  database: Database;
  clock: Clock;
  streamsMax: number;
  heartbeatMs: number;
  /** What was sent and is not taken for so long ends the stream. */
  unreadMsMax: number;
  stopping: AbortSignal;
  isAllowed(actor: Actor): Promise<boolean>;
  onCount(streams: number): void;
  onEnd(how: string): void;
  onError(error: unknown): void;
}

/**
 * Everybody who follows the stream of events through this hub. One look places and reads what is new for all of them;
 * a reader that is further behind than what is remembered reads pages of its own. Nothing is looked for while nobody
 * follows. docs/adr/0034-events.md says why no event is missed.
 */
export class EventStreams {
  readonly #options: EventStreamsOptions;
  readonly #streams = new Set<EventStream>();
  readonly #tail = new EventTail();
  readonly loop: Loop;
  /** Of streams that are open, and those that are being opened. */
  readonly #places: Places;
  #state: StreamState | undefined;
  #listening: Promise<unknown> | undefined;
  #news = new AbortController();

  constructor(options: EventStreamsOptions) {
    this.#options = options;
    const { clock, stopping, onError, streamsMax, onCount } = options;
    this.#places = new Places({ max: streamsMax, onCount });
    this.loop = new Loop({
      ...{ name: 'events', clock, onError },
      everyMs: () => (this.#places.taken === 0 ? 60_000 : pollMs),
      retryMs: () => 1_000,
      turn: () => this.#turn(),
    });
    stopping.addEventListener('abort', () => this.#endAll('stopping'), { once: true });
  }

  /**
   * A stream of what the actor may see, after the event named by `from`: from now on where nothing is named.
   * @throws ProblemError 503 where too many follow already, 400 for what is no id, 410 for one that is not kept.
   */
  async open(wanted: {
    actor: Actor;
    from: string | undefined;
    /** Closes the connection, unless the reader has taken all of the answer. */
    hangUp(): void;
  }): Promise<ReadableStream<Uint8Array>> {
    const { database, clock, heartbeatMs, unreadMsMax, onEnd } = this.#options;
    const place = this.#places.take(wanted.actor.tenantId);
    if ('taken' in place)
      fail('OVERLOADED', {
        detail: `${place.taken} streams of events of ${place.by} are open already.`,
        headers: { 'retry-after': '5' },
      });
    try {
      this.#listen();
      const state = await placeEvents(database.db);
      this.#known(state); // so that a change right after this is found to be new
      const position = startOf(wanted.from, state);
      const idOf = (at: number) => eventIdOf(state.epoch, at);
      const ready = { after: idOf(position), oldest: idOf(state.trimmed) };
      const stream = new EventStream({
        ...{ clock, heartbeatMs, position },
        source: {
          after: (at) => this.#after(at, wanted.actor.tenantId, state),
          news: () => this.#news.signal,
          isAllowed: () => this.#options.isAllowed(wanted.actor),
          idOf,
        },
        greeting: `retry: 1000\n${eventText({ id: idOf(position), event: 'ready', data: ready })}`,
        onOver: (how) => {
          this.#streams.delete(stream);
          place[Symbol.dispose]();
          onEnd(how);
          // Whoever does not take what it was sent takes no goodbye either, and holds its connection.
          if (how !== 'left') clock.timer(unreadMsMax, wanted.hangUp);
        },
      });
      this.#streams.add(stream);
      if (this.#options.stopping.aborted) stream.end('stopping');
      this.loop.wake();
      return stream.readable;
    } catch (error) {
      place[Symbol.dispose]();
      throw error;
    }
  }

  async #turn(): Promise<'again' | undefined> {
    if (this.#places.taken === 0) {
      this.#state = undefined;
      return undefined;
    }
    for (const stream of this.#streams) if (stream.unreadMs > this.#options.unreadMsMax) stream.end('slow');
    const { db } = this.#options.database;
    const state = await placeEvents(db);
    const before = this.#known(state);
    if (before.epoch !== state.epoch) this.#endAll('restored');
    else if (state.last <= before.last) return undefined;
    if (before.epoch === state.epoch && this.#tail.canFollow(before.last, state.last)) {
      const rows = await readEvents(db, {
        ...{ after: before.last, upTo: state.last, tenantId: null },
        limit: state.last - before.last,
      });
      this.#tail.append(
        before.last,
        state.last,
        rows.map((row) => rendered(state.epoch, row)),
      );
      await this.#hasten(rows);
    } else this.#tail.startAfter(state.last);
    this.#state = state;
    this.#tell();
    await this.#options.clock.sleep(pauseMs, this.#options.stopping);
    return 'again';
  }

  /** How far all that is new is known; where nothing was, from that state on. */
  #known(state: StreamState): StreamState {
    if (this.#state === undefined) {
      this.#state = state;
      this.#tail.startAfter(state.last);
    }
    return this.#state;
  }

  /** Somebody watches: publishers are to look soon whether gateways have seen it. */
  async #hasten(rows: readonly PlacedEvent[]): Promise<void> {
    const changed = rows
      .filter(({ step, fence }) => step === null && fence !== null)
      .map(({ fence }) => fence!);
    if (changed.length > 0) await awaitFences(this.#options.database.db, [...new Set(changed)], awaitedMs);
  }

  async #after(position: number, tenantId: string | null, opened: StreamState) {
    const upTo = Math.max(opened.last, this.#state?.epoch === opened.epoch ? this.#state.last : 0);
    if (position >= upTo) return 'nothing' as const;
    const remembered = this.#tail.after(position, tenantId);
    if (remembered) return remembered;
    const rows = await readEvents(this.#options.database.db, {
      after: position,
      upTo,
      tenantId,
      limit: pageLength,
    });
    return pieceOf(
      rows.map((row) => rendered(opened.epoch, row)),
      rows.length < pageLength ? upTo : rows.at(-1)!.position,
    );
  }

  #endAll(reason: 'stopping' | 'restored'): void {
    for (const stream of [...this.#streams]) stream.end(reason);
  }

  #tell(): void {
    const told = this.#news;
    this.#news = new AbortController();
    told.abort();
  }

  /** On a connection of its own, from the first stream on. Where it cannot be had, there is the poll. */
  #listen(): void {
    const wake = () => this.loop.wake();
    this.#listening ??= this.#options.database.listen(eventsChannel, wake).catch(() => {
      this.#listening = undefined;
    });
  }
}

function rendered(epoch: number, row: PlacedEvent) {
  const event = toEvent(eventIdOf(epoch, row.position), row);
  return { position: row.position, tenantId: row.tenantId, text: event ? eventText(event) : '' };
}

/** The position to begin after. */
function startOf(from: string | undefined, { epoch, last, trimmed }: StreamState): number {
  if (from === undefined) return last;
  if (from === 'oldest') return trimmed;
  const given = parseEventId(from);
  if (!given)
    fail('VALIDATION_FAILED', {
      errors: [{ pointer: '?since', detail: 'must be the id of an event, or oldest' }],
    });
  if (given.epoch === epoch && given.position >= trimmed && given.position <= last) return given.position;
  const why =
    given.epoch === epoch && given.position < trimmed
      ? `Events are kept for ${eventsKeptHours} hours, and those after ${from} are not any more.`
      : `The hub was restored from a backup since, and does not know ${from} any more.`;
  return fail(
    'EVENTS_EXPIRED',
    `${why} Read what you follow anew (GET /v1/audit-log has what was changed), and open the stream without an id. The oldest to go on from is ${eventIdOf(epoch, trimmed)}.`,
  );
}
