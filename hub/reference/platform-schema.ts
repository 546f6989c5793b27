import type { Context } from 'hono';
import { etagOf, isAmong } from '../http/etag.ts';
import schema from './generated/platform.schema.json' with { type: 'json' };

const text = JSON.stringify(schema);
const headers = {
  'content-type': 'application/schema+json',
  etag: etagOf(schema),
  // It changes with a new hub only, and says nothing of anybody: also an editor on a web page may read it.
  'cache-control': 'public, max-age=3600',
  'access-control-allow-origin': '*',
};

/** The JSON schema of the platform file, for editors (docs/platform-file.md). */
export function platformSchemaAnswer(c: Context): Response {
  const isKnown = isAmong(headers.etag, c.req.header('if-none-match'));
  return isKnown ? new Response(null, { status: 304, headers }) : new Response(text, { headers });
}
