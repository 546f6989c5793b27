import type { IncomingMessage } from 'node:http';
import type { Clock } from '../contexts/base/clock.ts';

/** What may still come of a body after its request was answered, so that the connection can be used again. */
const bytesMax = 64 * 1024 * 1024;
const waitMs = 500;

/**
 * Reads what is left of a body that nobody wants and forgets it. A client that sends more, or takes longer, loses its
 * connection: otherwise one that never stops would hold it for good.
 */
export function discardBody(incoming: IncomingMessage, clock: Clock): void {
  if (incoming.complete) return;
  const timer = clock.timer(waitMs, () => incoming.destroy());
  let bytes = 0;
  incoming.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) incoming.destroy();
  });
  incoming.on('error', () => {}); // it broke off, which is as good
  incoming.on('close', () => timer.cancel());
}
