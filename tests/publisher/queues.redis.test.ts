import { Redis } from 'ioredis';
import { afterAll, beforeAll } from 'vitest';
import { openQueues } from '../../publisher/queues.ts';
import { startRedis } from '../support/redis.ts';
import { describeWith } from '../support/requirements.ts';
import { describeQueues, withPort } from './queues-suite.ts';

describeWith('redis-server', 'with Redis', () => {
  let url: string;
  let admin: Redis;
  beforeAll(async () => {
    ({ url } = await startRedis());
    admin = new Redis(url);
  });
  afterAll(() => admin?.disconnect());

  const open = (redisUrl: string, onError: (error: Error) => void) =>
    openQueues({ redisUrl, databaseUrl: 'postgres://unused', connectionsMax: 1, onError });

  describeQueues('queues in Redis', () => ({
    url,
    open: (onError, port) => open(withPort(url, port), onError),
    killConnections: async () => {
      await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    },
  }));
});
