import { sql } from 'drizzle-orm';
import { problem, problemResponse } from '../contexts/base/problem.ts';
import type { Services } from './services.ts';

/** The pages that machines ask for: is it alive, can it work, what has it counted. None needs a key. */
export function health(services: Services) {
  let checking: Promise<string | undefined> | undefined;
  /** Why the hub cannot work; undefined where it can. Requests that coincide share one query. */
  const whyNot = () => {
    checking ??= checkDatabase(services).finally(() => {
      checking = undefined;
    });
    return checking;
  };
  return {
    healthz: () => Response.json({ status: 'ok' }),

    async readyz(): Promise<Response> {
      const isEnding = services.draining.aborted || services.stopping.aborted;
      const reason = isEnding ? 'The hub is stopping.' : await whyNot();
      if (reason === undefined) return Response.json({ status: 'ready' });
      return problemResponse(problem(503, 'NOT_READY', 'The hub cannot work', { detail: reason }), {
        'retry-after': '1',
      });
    },

    async metrics(): Promise<Response> {
      const { registry } = services.metrics;
      return new Response(await registry.metrics(), { headers: { 'content-type': registry.contentType } });
    },
  };
}

async function checkDatabase({ database, clock }: Services): Promise<string | undefined> {
  const done = new AbortController();
  const query = database.db.execute(sql`select 1`).then(
    () => undefined,
    () => 'The database does not answer.',
  );
  const late = clock.sleep(2_000, done.signal).then(() => 'The database does not answer within 2 s.');
  const reason = await Promise.race([query, late]);
  done.abort();
  return reason;
}
