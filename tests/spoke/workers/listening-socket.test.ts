import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test, vi } from 'vitest';
import { systemClock } from '../../../contexts/base/clock.ts';
import { bindSocketWithin } from '../../../spoke/workers/listening-socket.ts';

/** A port that somebody listens on. */
async function takenPort() {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  return { holder, port: (holder.address() as AddressInfo).port };
}

test('a port that is taken is waited for, and bound once it is free', async () => {
  const { holder, port } = await takenPort();
  const onTaken = vi.fn();
  const { signal } = new AbortController();
  const bound = bindSocketWithin('127.0.0.1', port, {
    ...{ clock: systemClock, withinMs: 30_000, signal },
    onTaken() {
      onTaken();
      holder.close();
    },
  });
  (await bound).close();
  expect(onTaken).toHaveBeenCalledOnce();
});

test('[law 8] no longer than it may be, and not when it is told to stop', async () => {
  const { holder, port } = await takenPort();
  const stop = new AbortController();
  const bind = (withinMs: number, onTaken = () => {}) =>
    bindSocketWithin('127.0.0.1', port, { clock: systemClock, withinMs, onTaken, signal: stop.signal });
  const taken = expect.objectContaining({ code: 'EADDRINUSE' });
  await expect(bind(150)).rejects.toEqual(taken);
  await expect(bind(3_600_000, () => stop.abort())).rejects.toEqual(taken);
  holder.close();
});
