import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Clock } from '../../contexts/base/clock.ts';
import { reachableUrl } from '../../contexts/base/reachable-url.ts';

export interface RunningServer {
  url: string;
  /** Takes no new connections, gives those with a request under way `timeoutMs`, then closes what is left. */
  stop(timeoutMs: number): Promise<void>;
}

/** Serves `fetch` over HTTP. Resolves once it listens. @throws what listening throws (the port is taken). */
export async function startServer(options: {
  fetch: (request: Request, env: never) => Response | Promise<Response>;
  host: string;
  port: number;
  clock: Clock;
}): Promise<RunningServer> {
  const server: Server = createServer(
    {
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      keepAliveTimeout: 65_000, // longer than load balancers keep theirs, so that it is they who close
      maxHeaderSize: 16 * 1024,
    },
    getRequestListener(options.fetch as never, { overrideGlobalObjects: false }),
  );
  server.maxConnections = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: reachableUrl('http', options.host, port),
    async stop(timeoutMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const done = new AbortController();
      const late = options.clock.sleep(timeoutMs, done.signal).then(() => server.closeAllConnections());
      await closed;
      done.abort();
      await late;
    },
  };
}
