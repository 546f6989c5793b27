import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { untilSignalled } from '../../contexts/base/process.ts';

/**
 * A stand-in for a cluster's metadata store: it answers every request with what it received, so that one sees
 * what a gateway forwards and what it strips. `node upstream-main.ts <region> <port> [address]`
 */
const bodyBytesMax = 1024 * 1024;
const [region, port, address = '127.0.0.1'] = process.argv.slice(2);
if (!region || !port) throw new Error('usage: upstream-main.ts <region> <port> [address]');

const server = createServer((request, response) => void echo(request, response));
server.listen(Number(port), address, () => console.log(`upstream of ${region}, listening on port ${port}`));
await untilSignalled();
server.close();
server.closeAllConnections();

async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes <= bodyBytesMax) chunks.push(chunk);
    }
  } catch {
    return; // the client went away
  }
  const tooLarge = bytes > bodyBytesMax;
  const received = {
    region,
    method: request.method,
    path: request.url,
    headers: request.headers,
    body: tooLarge ? `[${bytes} bytes, too many to echo]` : Buffer.concat(chunks).toString('utf8'),
  };
  response
    .writeHead(tooLarge ? 413 : 200, { 'content-type': 'application/json', 'spokecast-demo-region': region! })
    .end(`${JSON.stringify(received, null, 2)}\n`);
}
