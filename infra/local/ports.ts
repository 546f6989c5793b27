import { createServer } from 'node:net';
import { portsOf, type WheelLayout } from './layout.ts';
import { WheelRefused } from './lock.ts';

/** @throws WheelRefused naming every port of the layout that somebody else listens on. */
export async function checkPorts(layout: WheelLayout, portBase: number): Promise<void> {
  const ports = portsOf(layout);
  const free = await Promise.all(ports.map(({ port }) => isFree(port)));
  const taken = ports.filter((_, index) => !free[index]).map(({ port, name }) => `port ${port} (${name})`);
  if (taken.length === 0) return;
  const verb = taken.length === 1 ? 'is' : 'are';
  throw new WheelRefused(
    `${taken.join(', ')} ${verb} in use by another program.\n` +
      `End that program, or choose other ports: npm start -- --port-base ${portBase + 1000}`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
