import { askServices } from './services.ts';

/**
 * A Redis server of this file's own, empty, on a free loopback port; it ends with the run. Only inside
 * `describeWith('redis-server', ...)` of a `.redis.test.ts` file.
 */
export function startRedis(): Promise<{ url: string }> {
  return askServices('POST', '/redis');
}
