import { Redis } from 'ioredis';
import { startRedis } from '../support/redis.ts';
import { describeWith } from '../support/requirements.ts';
import { describeAges } from './ages.ts';

describeWith('redis-server', 'with Redis', () => {
  describeAges('Redis', async () => {
    const { url: redisUrl } = await startRedis();
    return {
      redisUrl,
      async loseScheduler(_wheel, queue) {
        const redis = new Redis(redisUrl);
        try {
          return await redis.del(`bull:${queue}:repeat`, `bull:${queue}:repeat:sweep`);
        } finally {
          redis.disconnect();
        }
      },
    };
  });
});
