import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';

/** The relay most of Node's users know, with connections kept. */
interface Proxy {
  web(incoming: IncomingMessage, outgoing: ServerResponse): void;
}
type CreateProxy = (options: { target: string; agent: Agent }) => Proxy;
const { createProxyServer } = createRequire(import.meta.url)('http-proxy') as {
  createProxyServer: CreateProxy;
};
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const proxy = createProxyServer({ target: process.env.PEER_UPSTREAM!, agent });
createServer((incoming, outgoing) => proxy.web(incoming, outgoing)).listen(
  Number(process.env.PEER_PORT),
  '127.0.0.1',
);
