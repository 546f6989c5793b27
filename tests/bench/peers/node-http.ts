import { createServer } from 'node:http';

/** The least a Node service can do: one answer, made before. What `PEER_ANSWER` holds goes out as it is. */
const { headers, body } = JSON.parse(process.env.PEER_ANSWER!) as {
  headers: Record<string, string>;
  body: string;
};
createServer((_incoming, outgoing) => {
  outgoing.writeHead(200, headers);
  outgoing.end(body);
}).listen(Number(process.env.PEER_PORT), '127.0.0.1');
