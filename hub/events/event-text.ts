import type { EndReason, HubEventValue } from '../api/events/event.ts';

/** Events as they go over the wire: https://html.spec.whatwg.org/multipage/server-sent-events.html. */
export function eventText({ id, event, data }: HubEventValue): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Says that the stream lives. The id without data moves what a reader goes on from, and is no event. */
export function heartbeatText(id: string): string {
  return `: heartbeat\nid: ${id}\n\n`;
}

/** What a reader may go on from: positions before and after a restore are told apart by the epoch. */
export function eventIdOf(epoch: number, position: number): string {
  return `${epoch}-${position}`;
}

/** Undefined where it is no id of ours. */
export function parseEventId(text: string): { epoch: number; position: number } | undefined {
  const match = /^([1-9]\d{0,8})-(0|[1-9]\d{0,14})$/.exec(text);
  return match ? { epoch: Number(match[1]), position: Number(match[2]) } : undefined;
}

export function endText(id: string, reason: EndReason): string {
  return eventText({ id, event: 'end', data: { reason, detail: advice[reason](id) } });
}

const goOn = (id: string) => `Open the stream again with the last-event-id ${id}.`;
const advice: Record<EndReason, (id: string) => string> = {
  slow: (id) => `What was sent was not read in time. ${goOn(id)}`,
  stopping: (id) => `This hub stops. ${goOn(id)}`,
  refused: () => 'The application key is not valid any more.',
  restored: () =>
    'The hub was restored from a backup. Read what you follow anew, then open the stream without an id.',
  unavailable: (id) => `The database does not answer. ${goOn(id)}`,
};
