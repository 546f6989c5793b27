import { createServer } from 'node:http';
import dynalite from 'dynalite';
import { untilSignalled } from '../../../contexts/base/process.ts';

/**
 * A region's store as the wheel has it, dynalite on LevelDB in a process of its own, that counts the requests it is
 * sent, by operation, and tells them on a second port: what a store was asked for is counted at the store.
 * `node store-main.ts <directory> <port> <port of the counts>`
 */
const [directory, port, countsPort] = process.argv.slice(2);
if (!directory || !port || !countsPort) throw new Error('usage: store-main.ts <directory> <port> <port>');

const counts: Record<string, number> = {};
const server = dynalite({ path: directory, createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
server.prependListener('request', (request) => {
  const operation = String(request.headers['x-amz-target']).split('.').at(-1)!;
  counts[operation] = (counts[operation] ?? 0) + 1;
});
await new Promise<void>((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
const telling = createServer((_request, response) => response.end(JSON.stringify(counts)));
telling.listen(Number(countsPort), '127.0.0.1');
await untilSignalled();
process.exit(0);
