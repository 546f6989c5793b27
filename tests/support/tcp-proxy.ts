import { connect, createServer, type Server, type Socket } from 'node:net';

/** Stands before a server on loopback, so that a test can take that server away, or freeze it, and bring it back. */
export class TcpProxy implements AsyncDisposable {
  #targetPort: number;
  readonly #sockets = new Map<Socket, Socket>();
  #frozen = false;
  #answersUntilFrozen = Number.POSITIVE_INFINITY;
  #server: Server | undefined;
  #port = 0;

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
  }

  /** The same port each time. */
  get port(): number {
    return this.#port;
  }

  async start(): Promise<this> {
    const server = createServer((incoming) => {
      const outgoing = connect(this.#targetPort, '127.0.0.1');
      for (const [socket, other] of [
        [incoming, outgoing],
        [outgoing, incoming],
      ] as const) {
        this.#sockets.set(socket, other);
        socket
          .on('error', () => {})
          .on('close', () => {
            this.#sockets.delete(socket);
            other.destroy();
          });
        if (!this.#frozen) socket.pipe(other);
      }
      outgoing.on('data', () => {
        this.#answersUntilFrozen -= 1;
        if (this.#answersUntilFrozen === 0) this.freeze();
      });
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    this.#port = address.port;
    this.#server = server;
    return this;
  }

  /** New connections go to that port: what an address that moves does. Those there are stay. */
  redirect(targetPort: number): void {
    this.#targetPort = targetPort;
  }

  /** Connections stay, and new ones are accepted, and nothing passes in either direction: nobody is told of it. */
  freeze(): void {
    this.#frozen = true;
    for (const [socket, other] of this.#sockets) socket.unpipe(other).pause();
  }

  /** Freezes of itself when the server has answered that many times more. */
  freezeAfter(answers: number): void {
    this.#answersUntilFrozen = answers;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  /** What was sent meanwhile passes now. */
  thaw(): void {
    this.#frozen = false;
    for (const [socket, other] of this.#sockets) socket.pipe(other);
  }

  /** Cuts every connection and refuses new ones. */
  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) =>
      this.#server ? this.#server.close(() => resolve()) : resolve(),
    );
    this.#server = undefined;
    for (const socket of this.#sockets.keys()) socket.destroy();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
