import { createServer } from 'node:http';
import postgres from 'postgres';

/**
 * The least that can be between HTTP and Postgres: one query a request, no key, no checks, no transaction of its own.
 * GET answers with a page of a tenant's agent keys, POST inserts one and does what only triggers do beside it.
 */
const { DATABASE_URL, PEER_PORT, PEER_TENANT, PEER_CLUSTER } = process.env as Record<string, string>;
const sql = postgres(DATABASE_URL!, { max: 10, onnotice: () => {} });
let made = 0;

createServer(async (incoming, outgoing) => {
  const rows =
    incoming.method === 'GET'
      ? await sql`select * from agent_keys where tenant_id = ${PEER_TENANT!} order by id limit 51`
      : await sql`insert into agent_keys (id, cluster_id, tenant_id, name, verifier)
          values (${`aki_peer${process.pid}n${++made}`}, ${PEER_CLUSTER!}, ${PEER_TENANT!}, 'peer', 'none') returning *`;
  outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(rows));
}).listen(Number(PEER_PORT), '127.0.0.1');
