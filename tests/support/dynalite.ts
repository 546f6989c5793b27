import { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { systemClock } from '../../contexts/base/clock.ts';

interface DynaliteOptions {
  path?: string;
  createTableMs?: number;
  deleteTableMs?: number;
  updateTableMs?: number;
}

// The package has no types.
const dynalite = createRequire(import.meta.url)('dynalite') as (options: DynaliteOptions) => Server;

export interface Dynalite extends AsyncDisposable {
  endpoint: string;
}

/**
 * A DynamoDB server of our own on a free port of the loopback interface, in this process.
 * With `path` it keeps its tables in that folder; without, in memory. With `port` it listens there: for a store
 * that comes back where it was.
 */
export async function startDynalite(options: { path?: string; port?: number } = {}): Promise<Dynalite> {
  const { path, port = 0 } = options;
  const server = dynalite({
    ...(path ? { path } : {}),
    createTableMs: 0,
    deleteTableMs: 0,
    updateTableMs: 0,
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      // Dynalite throws out of nowhere when its database closes under a request in hand, and a cut connection does
      // not end what it asked for: so nobody new is let in, and what is under way is given a moment.
      server.on('connection', (socket) => socket.destroy());
      server.closeAllConnections();
      await systemClock.sleep(path === undefined ? 20 : 200);
      const closed = new Promise((resolve) =>
        path === undefined ? Server.prototype.close.call(server, resolve) : server.close(resolve),
      );
      server.closeAllConnections();
      await closed; // a database in memory is never closed, and left to the garbage collector
    },
  };
}
