import { Redis } from 'ioredis';
import { startRedis } from '../support/redis.ts';
import { describeWith } from '../support/requirements.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { describeAges } from './ages.ts';

describeWith('redis-server', 'with Redis', () => {
  describeAges('Redis', async () => {
    const { url: directUrl } = await startRedis();
    const url = new URL(directUrl);
    const proxy = await new TcpProxy(Number(url.port)).start();
    url.port = String(proxy.port);
    return {
      redisUrl: url.href,
      proxy,
      async loseScheduler(_wheel, queue) {
        const redis = new Redis(directUrl);
        try {
          return await redis.del(`bull:${queue}:repeat`, `bull:${queue}:repeat:sweep`);
        } finally {
          redis.disconnect();
        }
      },
    };
  });
});
