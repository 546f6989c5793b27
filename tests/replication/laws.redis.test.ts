import { startRedis } from '../support/redis.ts';
import { describeWith } from '../support/requirements.ts';
import { describeReplication } from './laws.ts';

describeWith('redis-server', 'with Redis', () => {
  describeReplication('Redis', async () => ({ redisUrl: (await startRedis()).url }));
});
