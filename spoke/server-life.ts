import type { Server } from 'node:http';
import { type AddressInfo, Server as NetServer } from 'node:net';
import type { Clock } from '../contexts/base/clock.ts';
import { reachableUrl } from '../contexts/base/reachable-url.ts';

/** Under which URL this machine reaches a server that listens. */
export function urlOf(server: Server, scheme: 'http' | 'https'): string {
  const { address, port } = server.address() as AddressInfo;
  return reachableUrl(scheme, address, port);
}

export interface Closing {
  clock: Clock;
  /** Idle connections have so long for one more request. */
  lingerMs: number;
  /** Requests under way have so long to end. */
  shutdownMs: number;
  /** Called when that is over, before whatever is left is cut. */
  beforeCut(): void;
}

/** Between two looks for connections whose last request has ended. */
const lookMs = 10;

/** Takes no more connections, says with every answer that it is the connection's last, and resolves when all are over. */
export async function closeServer(server: Server, closing: Closing): Promise<void> {
  const { clock, lingerMs, shutdownMs, beforeCut } = closing;
  if (!server.listening) return;
  server.prependListener('request', (_incoming, outgoing) => outgoing.setHeader('connection', 'close'));
  const patience = new AbortController();
  // The close of http.Server would end idle connections at once.
  const closed = new Promise<void>((resolve) => {
    NetServer.prototype.close.call(server, () => resolve());
  }).finally(() => patience.abort());
  const begunAt = clock.monotonic();
  while (!patience.signal.aborted && clock.monotonic() - begunAt < shutdownMs) {
    // Those whose request under way has ended meanwhile are among them.
    if (clock.monotonic() - begunAt >= lingerMs) server.closeIdleConnections();
    await clock.sleep(lookMs, patience.signal);
  }
  beforeCut(); // tunnels are no connections of the server's any more
  server.closeAllConnections();
  await closed;
  server.close(); // ends what else it has running
}
