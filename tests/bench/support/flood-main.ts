import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { crc32 } from 'node:zlib';

/**
 * Clients that wish a gateway no good, from as many loopback addresses as asked for, at a fixed rate whether they are
 * answered or not. Prints what came of it as JSON when its time is over.
 * `node flood-main.ts <url> <unknown|slow|idle|big-headers> <addresses> <requests a second> <seconds>`
 */
const [target, what, addressesText, perSecondText, secondsText] = process.argv.slice(2);
const [addresses, perSecond, seconds] = [Number(addressesText), Number(perSecondText), Number(secondsText)];
const { hostname, port } = new URL(target!);
const told: Record<string, number> = {};
const count = (name: string, by = 1) => {
  told[name] = (told[name] ?? 0) + by;
};

const crockford = '0123456789abcdefghjkmnpqrstvwxyz';
const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A well-formed agent key of nobody. */
function madeUpKey(): string {
  const bytes = randomBytes(69);
  let id = '';
  let secret = '';
  for (let i = 0; i < 26; i++) id += crockford[bytes[i]! & 31];
  for (let i = 26; i < 69; i++) secret += base62[bytes[i]! % 62];
  const body = `spk_${id}_${secret}`;
  return `${body}_${crc32(body).toString(16).padStart(8, '0')}`;
}

const bigHeader = `x-big: ${'x'.repeat(20_000)}\r\n`;
function request(): string {
  const head = `GET /v1/authenticate HTTP/1.1\r\nhost: gateway\r\n`;
  if (what === 'big-headers') return `${head}${bigHeader}\r\n`;
  return `${head}authorization: Bearer ${madeUpKey()}\r\n\r\n`;
}

const sockets: Socket[] = [];
function open(at: number): void {
  const localAddress = addresses > 1 ? `127.${1 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}` : '127.0.0.1';
  const socket = connect({ host: hostname, port: Number(port), localAddress });
  sockets[at] = socket;
  socket.setNoDelay(true).setEncoding('latin1');
  socket.on('connect', () => {
    count('connected');
    if (what === 'slow') socket.write('GET /v1/authenticate HTTP/1.1\r\nhost: gateway\r\n');
  });
  socket.on('data', (text: string) => {
    for (const [, status] of text.matchAll(/HTTP\/1\.1 (\d{3})/g)) count(status!);
  });
  socket.on('error', (error: NodeJS.ErrnoException) => count(error.code ?? 'error'));
  socket.on('close', () => {
    count('closed');
    if (what !== 'idle' && what !== 'slow' && !isOver) open(at); // a flood comes back
  });
}

let isOver = false;
const allConnected = new Promise<void>((resolve) => {
  const look = setInterval(() => {
    if ((told.connected ?? 0) < addresses) return;
    clearInterval(look);
    resolve();
  }, 20);
});
// Opened a few hundred at a time: a listen queue of thousands is refused by the kernel, not by the gateway.
for (let at = 0; at < addresses; at++) {
  open(at);
  if (at % 200 === 199) await new Promise((resolve) => setTimeout(resolve, 20));
}
await allConnected;
const startedAt = performance.now();
process.stderr.write('begun\n');
let sent = 0;
let next = 0;
const timer = setInterval(() => {
  const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond);
  for (; sent < due; sent++) {
    const socket = sockets[next++ % addresses]!;
    if (!socket.writable || socket.writableLength > 4_096) continue; // it is behind: that request is lost
    if (what === 'slow') socket.write('x-drip: 1\r\n');
    else if (what !== 'idle') socket.write(request());
    count('sent');
  }
}, 5);
setTimeout(() => {
  isOver = true;
  clearInterval(timer);
  const open = sockets.filter((socket) => !socket.destroyed).length;
  console.log(JSON.stringify({ ...told, open }));
  process.exit(0);
}, seconds * 1_000);
