import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { expect, test, vi } from 'vitest';
import { createDatabase } from '../support/database.ts';
import { guarded } from '../support/guarded.ts';
import { freePort } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';
import { describeWith } from '../support/requirements.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const bin = fileURLToPath(new URL('../../infra/bin/spokecast.js', import.meta.url));

describeWith('redis-server', 'a publisher that is asked to end', () => {
  test('[law 8] ends in time although its queues hang, and says that it left something', async () => {
    await using database = await createDatabase();
    const sql = postgres(database.url, { max: 1, onnotice: () => {} });
    await sql`insert into regions (id, store_endpoint, store_table) values ('r1', 'http://127.0.0.1:9', 'nowhere')`;
    await sql.end();
    const { url: directUrl } = await startRedis();
    const url = new URL(directUrl);
    await using proxy = await new TcpProxy(Number(url.port)).start();
    url.port = String(proxy.port);
    const port = await freePort();
    const child = guarded(
      spawn(process.execPath, [bin, 'publisher'], {
        detached: true,
        env: {
          ...{ PATH: process.env.PATH, DATABASE_URL: database.url, REDIS_URL: url.href },
          ...{
            SPOKECAST_HOST: '127.0.0.1',
            SPOKECAST_PORT: String(port),
            SPOKECAST_SHUTDOWN_TIMEOUT_MS: '500',
          },
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    try {
      // Its region's store cannot be reached; its queues can.
      await vi.waitFor(() => expect(output).toContain('the region is not published to'), 30_000);
      const ended = once(child, 'exit');
      proxy.freeze();
      child.kill('SIGTERM');
      expect((await ended)[0]).toBe(0);
      expect(output).toContain('others do them again');
    } finally {
      child.kill('SIGKILL');
    }
  });
});
