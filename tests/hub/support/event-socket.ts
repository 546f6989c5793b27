import { once } from 'node:events';
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { systemClock } from '../../../contexts/base/clock.ts';
import { startServer } from '../../../hub/http/server.ts';
import { eventReader } from './contract-stream.ts';
import type { ReadEvent } from './event-follower.ts';
import type { TestHub } from './hub.ts';

/** An answer of the hub, seen from within it. */
export interface Tapped {
  outgoing: ServerResponse;
  /** Resolves once its connection is closed. */
  closed: Promise<unknown>;
  /** Bytes of its body that the hub has made and handed over so far. */
  handedOver: number;
}

/** Another port of that hub, on which one sees what each answer costs it. */
export async function tappedServer({ hub }: TestHub) {
  const answers: Tapped[] = [];
  const app = hub.app.fetch as (request: Request, env: unknown) => Promise<Response>;
  const server = await startServer({
    ...{ host: '127.0.0.1', port: 0, clock: systemClock },
    fetch: async (request, env) => {
      const response = await app(request, env);
      const { outgoing, incoming } = env as { outgoing: ServerResponse; incoming: { socket: Socket } };
      const closed = new Promise((resolve) => incoming.socket.once('close', resolve));
      const tapped: Tapped = { outgoing, closed, handedOver: 0 };
      answers.push(tapped);
      return new Response(response.body && counted(response.body, tapped), response);
    },
  });
  return { url: server.url, answers, [Symbol.asyncDispose]: () => server.stop(0) };
}

/** The same body, of which nothing is read before it is asked for. */
function counted(body: ReadableStream<Uint8Array>, tapped: Tapped): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        tapped.handedOver += value.length;
        controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/** Asks for the events over a connection of its own, and takes nothing of the answer off it before it is told to. */
export class SocketReader implements Disposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #url: string;
  readonly #headers: Record<string, string>;
  #answer: IncomingMessage | undefined;

  private constructor(url: string, secret: string) {
    this.#url = url;
    this.#headers = { authorization: `Bearer ${secret}` };
  }

  /** Resolves once the answer has begun. */
  static async open(url: string, secret: string, query = ''): Promise<SocketReader> {
    const reader = new SocketReader(url, secret);
    reader.#answer = await reader.ask(`/v1/events${query}`);
    return reader;
  }

  /** Another request on the same connection, where that is still open. */
  async ask(path: string): Promise<IncomingMessage> {
    const asked = request(this.#url + path, { agent: this.#agent, headers: this.#headers }).end();
    asked.once('socket', (socket) => socket.on('error', () => {})); // that it was hung up on is told by the answer
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return answer;
  }

  /** Everything that is on its way, up to the end of the answer or of the connection: the events that came whole. */
  async rest(): Promise<ReadEvent[]> {
    const read = eventReader();
    const events: ReadEvent[] = [];
    try {
      for await (const chunk of this.#answer!) events.push(...(read(chunk as Uint8Array) as ReadEvent[]));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
    }
    return events;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
