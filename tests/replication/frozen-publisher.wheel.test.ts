import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { guarded } from '../support/guarded.ts';
import { freePort } from '../support/process.ts';
import { startWheel, type TestWheel } from '../support/wheel.ts';
import { until } from './support/hub-and-spokes.ts';

const bin = fileURLToPath(new URL('../../infra/bin/spokecast.js', import.meta.url));
const region = 'eu-west-1';

describe('two publishers as processes', () => {
  let wheel: TestWheel;
  let second: ChildProcess;

  beforeAll(async () => {
    wheel = await startWheel({ noRestart: true });
    const port = await freePort();
    second = guarded(
      spawn(process.execPath, [bin, 'publisher'], {
        detached: true,
        env: {
          PATH: process.env.PATH,
          DATABASE_URL: wheel.file.postgres.url,
          SPOKECAST_ENV: 'dev',
          SPOKECAST_HOST: '127.0.0.1',
          SPOKECAST_PORT: String(port),
          AWS_ACCESS_KEY_ID: 'local',
          AWS_SECRET_ACCESS_KEY: 'local',
          AWS_REGION: region,
        },
        stdio: 'ignore',
      }),
    );
    await until(
      async () => {
        const ready = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
        const body = ready?.ok ? ((await ready.json()) as { regions: { state: string }[] }) : undefined;
        return body?.regions.length === 3 && body.regions.every((one) => one.state === 'open');
      },
      'the second publisher is ready',
      30_000,
    );
  });
  afterAll(async () => {
    second?.kill('SIGKILL');
    await wheel?.[Symbol.asyncDispose]();
  });

  test('[law 3] [law 4] one is frozen with claimed outbox rows in its hands: the other relays them when the lease is over', async () => {
    const { clusterId } = wheel.file.demo;
    const made = await wheel.api('POST', '/v1/agent-keys', { clusterId, name: 'revoked' });
    const { id, secret } = made.body;
    await until(async () => (await wheel.authenticate(region, secret)).status === 200, 'the key is let in');

    await until(async () => {
      const [sweeping] =
        await wheel.sql`select count(*)::int as rows from sweeps where finished_at is null or finished_at > now() - interval '1 second'`;
      return sweeping!.rows === 0;
    }, 'the sweeps that begin with a publisher have ended');

    // The key is deleted and its outbox row held back, until whoever claims it can be stopped on the way: between
    // claim and jobs a relay asks where the context is held, and this transaction holds that table.
    const [row] = await wheel.sql.begin(async (sql) => {
      await sql`delete from agent_keys where id = ${id}`;
      return sql`delete from outbox where key = ${id} returning kind, key, regions, cause, tightens`;
    });
    const blocker = await wheel.sql.reserve();
    await blocker`begin`;
    await blocker`lock table agent_keys in access exclusive mode`;
    await wheel.sql`insert into outbox ${wheel.sql(row as never)}`;
    await wheel.sql`select pg_notify('spokecast_outbox', '')`;
    await until(async () => {
      const [claimed] =
        await wheel.sql`select count(*)::int as rows from outbox where claimed_by is not null`;
      return claimed!.rows > 0;
    }, 'the row is claimed');
    // ...and freezes there with them, whichever of the two it is. The other is let go on.
    const claimant = await holderOf(wheel);
    const [frozen, other] =
      claimant === wheel.file.publisher.pid
        ? [claimant, second.pid!]
        : [second.pid!, wheel.file.publisher.pid];
    process.kill(frozen, 'SIGSTOP');
    try {
      await blocker`commit`;
      blocker.release();
      expect(other).not.toBe(frozen);
      await systemClock.sleep(1000);
      expect(
        (await wheel.authenticate(region, secret)).status,
        'the rows are hidden while the lease lasts',
      ).toBe(200);
      await until(
        async () => (await wheel.authenticate(region, secret)).status === 401,
        'the revocation arrives',
        20_000,
      );
    } finally {
      process.kill(frozen, 'SIGCONT');
    }
    // The one that wakes up finishes what it was at; nothing goes back.
    for (let i = 0; i < 20; i++) expect((await wheel.authenticate(region, secret)).status).toBe(401);
  });
});

/** The process that waits for the table: the one that claimed. */
async function holderOf(wheel: TestWheel): Promise<number> {
  let pid: number | undefined;
  await until(async () => {
    const [row] = await wheel.sql`
      select client_port as port from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'spokecast publisher' limit 1`;
    if (!row) return false;
    pid = await processOfPort(row.port);
    return pid !== undefined;
  }, 'a publisher waits for the table');
  return pid!;
}

/** Whose socket has that local port, by what the kernel tells. */
async function processOfPort(port: number): Promise<number | undefined> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const table = await readFile('/proc/net/tcp', 'utf8');
  const inode = table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find((columns) => columns[1]?.endsWith(`:${hex}`))?.[9];
  if (!inode) return undefined;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      if ((await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')) === `socket:[${inode}]`)
        return Number(pid);
    }
  }
  return undefined;
}
