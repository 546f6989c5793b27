import { type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** What a connection was ended for, or not taken. */
export const turnedAway = [
  'connections-max',
  'requests-max',
  'headers-too-big',
  'headers-too-slow',
  'malformed',
] as const;
export type TurnedAway = (typeof turnedAway)[number];

export interface DoorSettings {
  connectionsMax: number;
  /** The time a client has to send its headers, from the connection or from the request's first byte. */
  headersTimeoutMs: number;
  /** Requests on one connection, after which clients are told to take another; 0 for any number. */
  requestsPerConnectionMax: number;
}

/** Connections that wait to be taken: as many as kernels allow, or whoever comes in a storm waits for seconds. */
export const backlogMax = 4_096;

/** Headers too late are looked for so often; node's own default would let them take half a minute more. */
export function connectionsCheckingIntervalOf({ headersTimeoutMs }: Pick<DoorSettings, 'headersTimeoutMs'>) {
  return Math.max(50, Math.min(1_000, headersTimeoutMs / 4));
}

/**
 * Bounds what clients can take of a gateway before it has looked at what they want, and counts whom it turned away.
 * Returns how many connections are open.
 */
export function guardDoor(
  server: Server,
  settings: DoorSettings,
  onTurnedAway: (why: TurnedAway) => void,
): { readonly connections: number } {
  const { connectionsMax, headersTimeoutMs, requestsPerConnectionMax } = settings;
  server.maxConnections = connectionsMax;
  server.headersTimeout = headersTimeoutMs;
  server.requestTimeout = 0; // a forwarded upload may take as long as it moves; what is idle is cut by the forwarder
  server.maxRequestsPerSocket = requestsPerConnectionMax;
  server.on('drop', () => onTurnedAway('connections-max'));
  // The last request that may come is answered with `connection: close`, and node answers the next with 503.
  server.on('dropRequest', (_incoming, socket) => {
    onTurnedAway('requests-max');
    socket.end();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A connection that was reset, or ended in the middle, is nobody's mistake: there is nobody to be told.
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE' || !socket.writable) {
      socket.destroy();
      return;
    }
    const [why, status] = reasonOf(error.code);
    onTurnedAway(why);
    refuse(socket, status);
  });
  let connections = 0;
  server.on('connection', (socket) => {
    connections += 1;
    socket.once('close', () => {
      connections -= 1;
    });
  });
  return {
    get connections() {
      return connections;
    },
  };
}

function reasonOf(code: string | undefined): [why: TurnedAway, status: number] {
  if (code === 'HPE_HEADER_OVERFLOW') return ['headers-too-big', 431];
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return ['headers-too-slow', 408];
  return ['malformed', 400];
}

/** Answers, unless an answer is under way on that connection, and ends it. */
function refuse(socket: Duplex, status: number): void {
  const { _httpMessage: answering } = socket as { _httpMessage?: { headersSent: boolean } | null };
  if (!answering?.headersSent)
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`,
    );
  socket.destroy();
}
