import { createServer } from 'node:http';
import dynalite from 'dynalite';
import { untilSignalled } from '../../../contexts/base/process.ts';

/**
 * A region's store as the wheel has it, dynalite on LevelDB in a process of its own, that counts the requests it is
 * sent, by operation, and tells them on a second port: what a store was asked for is counted at the store. At
 * `/recent` it tells what it was asked since it was last asked that, and when each request had arrived, as
 * `[milliseconds since the Unix epoch, operation, what it names]`.
 * `node store-main.ts <directory> <port> <port of the counts>`
 */
const [directory, port, countsPort] = process.argv.slice(2);
if (!directory || !port || !countsPort) throw new Error('usage: store-main.ts <directory> <port> <port>');

const counts: Record<string, number> = {};
const recentMax = 10_000;
let recent: [atMs: number, operation: string, names: string][] = [];
const server = dynalite({ path: directory, createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
server.prependListener('request', (request) => {
  const operation = String(request.headers['x-amz-target']).split('.').at(-1)!;
  counts[operation] = (counts[operation] ?? 0) + 1;
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const body = Buffer.concat(parts).toString();
    const names = /"(feed|meta|[a-z-]+#\d+)"/.exec(body)?.[1] ?? '';
    if (recent.length < recentMax)
      recent.push([performance.timeOrigin + performance.now(), operation, names]);
    // Of each batch, without the identity that is read along: a flood is counted in keys.
    if (operation === 'BatchGetItem') counts.keys = (counts.keys ?? 0) + body.split('"sk":').length - 2;
  });
});
await new Promise<void>((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
const telling = createServer((request, response) => {
  response.end(JSON.stringify(request.url === '/recent' ? recent : counts));
  if (request.url === '/recent') recent = [];
});
telling.listen(Number(countsPort), '127.0.0.1');
await untilSignalled();
process.exit(0);
