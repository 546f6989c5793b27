import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** Whether a process exists. One that ended but was not reaped by its parent yet (a zombie) counts as gone. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return !isZombie(pid);
}

function isZombie(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('Z') ?? false;
  } catch {
    return false; // no /proc on this system: the signal's answer stands
  }
}

/** Below those that the kernel gives to outgoing connections, which would be faster than whoever is to listen here. */
const ports = { from: 20_000, to: 32_000 } as const;

/** A loopback port that was free a moment ago. Of two who ask at the same time each gets another, as good as always. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(ports.from, ports.to);
    const server = createServer();
    const taken = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      server.once('error', resolve).listen(port, '127.0.0.1', () => resolve(undefined));
    });
    if (taken === undefined) {
      await new Promise((resolve) => server.close(resolve));
      return port;
    }
    if (taken.code !== 'EADDRINUSE') throw taken;
  }
}
