import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Ending } from './attempt.ts';
import { responseHeaders } from './headers.ts';

/**
 * The only protocol that connections are upgraded to. Any other is ignored, as a server may: through a tunnel of
 * HTTP/2 (`h2c`) a client would send requests that nobody looked at, in anybody's name.
 */
export const upgradeProtocol = 'websocket';

/** A connection that the upstream has agreed to upgrade, and what it has already sent on it. */
export interface Opened {
  response: IncomingMessage;
  socket: Socket;
  head: Buffer;
}

export interface Tunnelling {
  idleTimeoutMs: number;
  ending: Ending;
  /** Sent with the upstream's own. */
  answerHeaders: readonly string[];
}

/** For node's `shouldUpgradeCallback`: everything else is an ordinary request. */
export function asksForTunnel({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers.upgrade?.trim().toLowerCase() === upgradeProtocol;
}

/**
 * A response object on a connection that node has handed over for an upgrade, so that a request that is refused, or
 * answered otherwise, is answered as any other. The connection ends with the answer.
 */
export function responseOn(incoming: IncomingMessage, socket: Duplex): ServerResponse {
  const outgoing = new ServerResponse(incoming);
  outgoing.assignSocket(socket as Socket);
  outgoing.shouldKeepAlive = false;
  socket.on('error', () => socket.destroy());
  socket.on('close', () => outgoing.destroy());
  outgoing.on('finish', () => socket.end());
  return outgoing;
}

/** Calls `tunnel` with requests that ask for one, and leaves the others as they are. */
export function onUpgrade(
  server: Server,
  tunnel: (incoming: IncomingMessage, outgoing: ServerResponse, head: Buffer) => void,
): void {
  server.on('upgrade', (incoming, socket, head) => tunnel(incoming, responseOn(incoming, socket), head));
}

/**
 * Passes bytes both ways until either side ends, or neither has sent anything for `idleTimeoutMs`. Never rejects;
 * both connections are over afterwards.
 */
export async function runTunnel(
  outgoing: ServerResponse,
  clientHead: Buffer,
  { response, socket: upstream, head }: Opened,
  { idleTimeoutMs, ending, answerHeaders }: Tunnelling,
): Promise<'ended' | 'idle'> {
  const client = outgoing.socket!;
  outgoing.detachSocket(client);
  let outcome: 'ended' | 'idle' = 'ended';
  client.setTimeout(idleTimeoutMs, () => {
    outcome = 'idle';
    client.destroy();
  });
  upstream.setTimeout(0); // the client's is enough: every byte passes both
  ending.listen({ cancel: () => client.destroy() });
  client.write(switching(response, answerHeaders));
  client.write(head);
  upstream.write(clientHead);
  const ways = [pipeline(client, upstream), pipeline(upstream, client)];
  await Promise.allSettled(ways);
  ending.listen(undefined);
  client.destroy();
  upstream.destroy();
  return outcome;
}

function switching(response: IncomingMessage, answerHeaders: readonly string[]): string {
  const raw = [
    'connection',
    'Upgrade',
    'upgrade',
    upgradeProtocol,
    ...responseHeaders(response.rawHeaders, false),
    ...answerHeaders,
  ];
  let text = `HTTP/1.1 101 ${response.statusMessage}\r\n`;
  for (let i = 0; i + 1 < raw.length; i += 2) text += `${raw[i]}: ${raw[i + 1]}\r\n`;
  return `${text}\r\n`;
}
