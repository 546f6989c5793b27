import { connect, createServer } from 'node:net';

/**
 * A way into a network namespace: a Unix socket belongs to the file system, which all namespaces share.
 * `node unix-relay-main.ts <socket> <address> <port>`
 */
const [path, address, port] = process.argv.slice(2);
if (!path || !address || !port) throw new Error('usage: unix-relay-main.ts <socket> <address> <port>');

createServer((from) => {
  const to = connect(Number(port), address);
  for (const [one, other] of [
    [from, to],
    [to, from],
  ] as const) {
    one.on('error', () => {}).on('close', () => other.destroy());
    one.pipe(other);
  }
}).listen(path, () => process.stdout.write('listening\n'));
