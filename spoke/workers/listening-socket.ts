import { lookup } from 'node:dns/promises';
import net, { isIPv6 } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { assert } from '../../contexts/base/assert.ts';

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
