import { lookup } from 'node:dns/promises';
import net, { isIPv6 } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { assert } from '../../contexts/base/assert.ts';
import type { Clock } from '../../contexts/base/clock.ts';

/**
 * A socket that is bound here and listened on by others: workers are sent it, take connections from one queue, and
 * may all be gone while connections wait in it. The process that holds it must take none itself, which rules out a
 * `net.Server`; so this is the call that node:cluster makes for the same purpose. It stands in no documentation of
 * node's: where a later node has it no more, nothing starts, and says so.
 */
export interface ListeningSocket {
  /** What is sent to a worker. */
  readonly handle: net.Server;
  close(): void;
}

interface BoundHandle {
  getsockname(into: object): number;
  close(): void;
}

type CreateServerHandle = (
  address: string,
  port: number,
  family: 4 | 6,
  fd: -1,
  flags: 0,
) => BoundHandle | number;

/** @throws Error with the system's `code`, such as EADDRINUSE. */
export async function bindSocket(host: string, port: number): Promise<ListeningSocket> {
  const create = (net as unknown as { _createServerHandle?: CreateServerHandle })._createServerHandle;
  assert(
    create !== undefined,
    'this node cannot bind a socket for workers: run one gateway a process instead',
  );
  const { address } = await lookup(host);
  const bound = create(address, port, isIPv6(address) ? 6 : 4, -1, 0);
  // A port that is taken shows only when the socket is asked for its name.
  const mistake = typeof bound === 'number' ? bound : bound.getsockname({});
  if (typeof bound === 'number' || mistake !== 0) {
    const code = getSystemErrorName(mistake);
    throw Object.assign(new Error(`listen ${code} ${host}:${port}`), {
      code,
      syscall: 'listen',
      address,
      port,
    });
  }
  return { handle: bound as unknown as net.Server, close: () => bound.close() };
}

/** A port that is taken is tried again so often. */
const tryEveryMs = 100;

/**
 * As {@link bindSocket}, and where the port is taken tries again for `withinMs`: the workers of a group whose first
 * process has died hold it until they have answered what was under way.
 * @param onTaken called once, when it is to be waited.
 * @param signal aborted: tries no more.
 * @throws Error with the system's `code`; EADDRINUSE where the port is still taken at the end.
 */
export async function bindSocketWithin(
  host: string,
  port: number,
  options: { clock: Clock; withinMs: number; onTaken(): void; signal: AbortSignal },
): Promise<ListeningSocket> {
  const { clock, withinMs, onTaken, signal } = options;
  const startedAt = clock.monotonic();
  for (let attempt = 1; ; attempt++) {
    try {
      return await bindSocket(host, port);
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
      if (!isTaken || signal.aborted || clock.monotonic() - startedAt >= withinMs) throw error;
      if (attempt === 1) onTaken();
      await clock.sleep(tryEveryMs, signal);
    }
  }
}
