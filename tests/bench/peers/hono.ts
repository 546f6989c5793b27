import { serve } from '@hono/node-server';
import { Hono } from 'hono';

/** A route that does nothing but answer what `PEER_ANSWER` holds. */
const { headers, body } = JSON.parse(process.env.PEER_ANSWER!) as {
  headers: Record<string, string>;
  body: string;
};
const app = new Hono();
app.all('/v1/authenticate', (c) => c.body(body, 200, headers));
serve({ fetch: app.fetch, port: Number(process.env.PEER_PORT), hostname: '127.0.0.1' });
