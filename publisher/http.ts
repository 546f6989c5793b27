import { Hono } from 'hono';
import { problem, problemResponse } from '../contexts/base/problem.ts';
import type { FreezeMode } from '../hub/db/guard-schema.ts';
import type { PublisherMetrics } from './metrics.ts';
import type { RegionState } from './region-state.ts';

export interface PublisherHealth {
  /** Why it cannot do its work; empty when it can. A region in trouble is not a reason: the others go on. */
  reasons: string[];
  queueBackend: 'redis' | 'postgres';
  /** `trouble`: why a region is not open, and what to do. */
  regions: { id: string; state: RegionState; trouble: string | undefined; frozen: FreezeMode | null }[];
}

/** Health and metrics; nothing here changes anything. */
export function publisherApp(options: {
  health(): PublisherHealth;
  collect(): Promise<void>;
  metrics: PublisherMetrics;
}): Hono {
  const app = new Hono();
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => {
    const { reasons, ...rest } = options.health();
    const body = { status: reasons.length === 0 ? 'ready' : 'not-ready', reasons, ...rest };
    return c.json(body, reasons.length === 0 ? 200 : 503);
  });
  app.get('/metrics', async (c) => {
    await options.collect();
    return c.text(await options.metrics.registry.metrics(), 200, {
      'content-type': options.metrics.registry.contentType,
    });
  });
  app.notFound((c) =>
    problemResponse(
      problem(404, 'ROUTE_NOT_FOUND', 'No such route', {
        detail: `${c.req.method} ${c.req.path} is not one of /healthz, /readyz, /metrics`,
      }),
    ),
  );
  return app;
}
