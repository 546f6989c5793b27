import { createServer } from 'node:http';
import { Pool } from 'undici';

/** The plainest relay that keeps connections: everything to `PEER_UPSTREAM`, streamed both ways, nothing checked. */
const pool = new Pool(process.env.PEER_UPSTREAM!, { connections: 64 });
createServer((incoming, outgoing) => {
  const { method = 'GET', url = '/' } = incoming;
  const { host: _host, connection: _connection, ...headers } = incoming.headers;
  const body = method === 'GET' || method === 'HEAD' ? null : incoming;
  pool
    .stream(
      { method: method as 'GET', path: url, headers, body, opaque: outgoing },
      ({ statusCode, headers: told }) => {
        outgoing.writeHead(statusCode, told);
        return outgoing;
      },
    )
    .catch(() => outgoing.destroy());
}).listen(Number(process.env.PEER_PORT), '127.0.0.1');
