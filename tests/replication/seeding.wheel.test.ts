import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { verifierOf } from '../../contexts/secrets.ts';
import { startHub, type TestHub } from '../hub/support/hub.ts';
import { guarded } from '../support/guarded.ts';
import { freePort } from '../support/process.ts';
import { HubAndSpokes, type Spoke, until } from './support/hub-and-spokes.ts';
import { derivedByHand, heldLive } from './support/independent.ts';

const bin = fileURLToPath(new URL('../../infra/bin/spokecast.js', import.meta.url));
const fourth = 'ap-south-1';
const first = ['us-east-1', 'eu-west-1', 'ap-southeast-1'];
type Key = { id: string; secret: string };

interface Ran {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

describe('a fourth region with 2,000 contexts', () => {
  let wheel: HubAndSpokes;
  let hub: TestHub;
  let spoke: Spoke;
  let keys: Key[];
  let clusterId: string;
  const publishers: ChildProcess[] = [];

  /** A publisher of its own process, so that it can be killed as a process is. */
  const startPublisher = async (): Promise<ChildProcess> => {
    const port = await freePort();
    const env = {
      ...{ PATH: process.env.PATH, DATABASE_URL: wheel.databaseUrl, SPOKECAST_ENV: 'test' },
      ...{ SPOKECAST_HOST: '127.0.0.1', SPOKECAST_PORT: String(port), SPOKECAST_JOB_LOCK_MS: '2000' },
      SPOKECAST_HEARTBEAT_EVERY_MS: '0', // what is counted here are the contexts of the test, and nothing moves meanwhile
    };
    const child = guarded(
      spawn(process.execPath, [bin, 'publisher'], { env, stdio: 'ignore', detached: true }),
    );
    publishers.push(child);
    return child;
  };
  const end = (child: ChildProcess) =>
    new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
    });
  const run = (...args: string[]) => {
    const child = guarded(
      spawn(process.execPath, [bin, ...args], {
        detached: true,
        env: {
          ...{ PATH: process.env.PATH, SPOKECAST_HUB_URL: hub.url },
          SPOKECAST_APPLICATION_KEY: hub.owner.secret,
        },
      }),
    );
    const ran = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        ran[name] += text;
      });
    const ended = new Promise<Ran>((resolve) =>
      child.once('close', (exitCode) => resolve({ exitCode, ...ran })),
    );
    return { child, ran, ended };
  };
  const seeding = async () => (await hub.owner.get(`/v1/seedings?region=${fourth}&limit=1`)).body.items[0];

  beforeAll(async () => {
    wheel = await HubAndSpokes.start({ regions: first, publishers: 0 });
    hub = await startHub({ databaseUrl: wheel.databaseUrl, environment: { SPOKECAST_ENV: 'test' } });
    ({ clusterId } = await wheel.newCluster([first[0]!]));
    keys = Array.from({ length: 1_998 }, () => wheel.mintKey()).sort((a, b) => (a.id < b.id ? -1 : 1));
    const [ids, verifiers] = [keys.map(({ id }) => id), keys.map(({ secret }) => verifierOf(secret))];
    await wheel.sql`insert into agent_keys (id, cluster_id, name, verifier)
      select id, ${clusterId}, 'k', verifier from unnest(${ids}::text[], ${verifiers}::text[]) as k (id, verifier)`;
    spoke = await wheel.addSpoke(fourth);
  });
  afterAll(async () => {
    await Promise.all(
      publishers.map((child) => (child.exitCode === null && !child.signalCode ? end(child) : undefined)),
    );
    await hub?.[Symbol.asyncDispose]();
    await wheel?.[Symbol.asyncDispose]();
  });

  test('[law 2] [law 3] is seeded by one command, through Ctrl-C and the death of its publisher, and verified equal; what the dead one still puts is refused', async () => {
    const add = ['region', 'add', fourth, '--endpoint', spoke.proxy.url, '--table', spoke.table];
    const asked = await run(...add, '--no-wait').ended;
    expect(asked).toMatchObject({ exitCode: 0 });
    // Placed before the region holds anything, and all that would bring it but the seeding is lost.
    await wheel.sql.begin(async (sql) => {
      await sql`insert into placements (cluster_id, region) values (${clusterId}, ${fourth})`;
      await sql`delete from outbox`;
      await sql`update holdings set settled = true`; // or the first sweep would ask for what the row would have done
    });

    const interrupted = run(...add);
    await until(async () => interrupted.ran.stderr.includes('waits'), 'the command follows');
    interrupted.child.kill('SIGINT');
    expect(await interrupted.ended).toMatchObject({ exitCode: 130 });
    expect(interrupted.ran.stderr).toContain(`spokecast regions add ${fourth}`);

    const doomed = keys[1_200]!;
    const frozen = spoke.proxy.hold({
      operation: 'PutItem',
      where: (request) =>
        request.json().Item.pk.S.startsWith('agent-key') && request.json().Item.sk.S >= doomed.id,
    });
    const victim = await startPublisher();
    await frozen.gate.reached();
    const resumed = run(...add);
    let last = await seeding();
    await until(
      async () => {
        last = await seeding();
        return last.contexts.filled >= 1_000;
      },
      () => `two pages are written down (${JSON.stringify(last)})`,
    );
    await end(victim);
    expect(await seeding()).toMatchObject({ phase: 'filling', contexts: { total: 2_000 }, finishedAt: null });
    expect((await hub.owner.get(`/v1/regions/${fourth}`)).body.status).toBe('seeding');
    // Nobody is denied by a table that is not whole.
    expect(await wheel.ask(fourth, keys[1_990]!.secret)).toBe(503);

    frozen.end();
    spoke.proxy.reset();
    await startPublisher();
    const { exitCode, stdout, stderr } = await resumed.ended;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(stdout).toMatch(/ap-south-1 is ready after \d+\.\d s: 2000 contexts, verified by 1 sweep\n/);
    expect(stderr).toMatch(/filling +\[#*\.*\] \d+ %/);
    expect(spoke.proxy.count('PutItem'), 'it went on where the other was').toBeLessThan(1_300);
    expect((await hub.owner.get(`/v1/regions/${fourth}`)).body.status).toBe('active');
    expect((await seeding()).readyAfterMs).toBeGreaterThan(0);
    expect(await heldLive(spoke.store)).toEqual(await derivedByHand(wheel.sql, fourth));
    await wheel.becomes(fourth, doomed.secret, 200);
    await wheel.becomes(fourth, wheel.mintKey().secret, 401);

    await wheel.sql`delete from agent_keys where id = ${doomed.id}`;
    await wheel.becomes(fourth, doomed.secret, 401);
    frozen.gate.open();
    await until(async () => frozen.finished === frozen.hits, 'the late puts are delivered');
    const { items } = await spoke.store.read([{ kind: 'agent-key', key: doomed.id }]);
    expect(items.get(`agent-key/${doomed.id}`)).toMatchObject({ envelope: { bodyText: null } });
    expect(await wheel.ask(fourth, doomed.secret)).toBe(401);
  }, 240_000);

  test('[law 3] [law 7] whose table is deleted under its gateway is re-seeded by one command; nobody it holds is denied meanwhile, nobody revoked let in', async () => {
    const [held, revoked] = [keys[5]!, keys[6]!];
    await wheel.becomes(fourth, held.secret, 200);
    await wheel.becomes(fourth, revoked.secret, 200);
    await wheel.sql`delete from agent_keys where id = ${revoked.id}`;
    await wheel.becomes(fourth, revoked.secret, 401);

    const answers = { held: new Set<number>(), revoked: new Set<number>(), unknown: new Set<number>() };
    const stop = new AbortController();
    const watching = (async () => {
      while (!stop.signal.aborted) {
        answers.held.add(await wheel.ask(fourth, held.secret));
        answers.revoked.add(await wheel.ask(fourth, revoked.secret));
        // Of one that it holds, it would go on saying that it is unknown; of another, it can tell nothing now.
        answers.unknown.add(await wheel.ask(fourth, wheel.mintKey().secret));
        await systemClock.sleep(5);
      }
    })();
    const before = await spoke.store.readIdentity();
    // A put that is under way while the table goes, of the state before: as a frozen publisher's is.
    const [late] = [keys[7]!];
    const frozen = spoke.proxy.hold({
      operation: 'PutItem',
      times: 1,
      where: (request) => request.body.includes(late.id) && !request.body.includes('"feed"'),
    });
    await wheel.sql`update agent_keys set permissions = '{late}' where id = ${late.id}`;
    await frozen.gate.reached();
    await wheel.sql`delete from agent_keys where id = ${late.id}`;
    await spoke.raw.dropTable();
    const { exitCode, stdout, stderr } = await run('region', 'reseed', fourth).ended;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(stdout).toMatch(/is ready after/);
    frozen.gate.open();
    await until(async () => frozen.finished === 1, 'the late put is delivered');

    await wheel.becomes(fourth, wheel.mintKey().secret, 401);
    stop.abort();
    await watching;
    const after = await spoke.store.readIdentity();
    expect(after).toMatchObject({ outcome: 'identity', identity: { whole: true } });
    expect(before).not.toMatchObject({
      identity: { incarnation: (after as typeof before & { identity: object }).identity },
    });
    expect([...answers.held]).toEqual([200]);
    expect(answers.revoked.has(200)).toBe(false);
    expect(answers.unknown.has(503)).toBe(true);
    expect(await heldLive(spoke.store)).toEqual(await derivedByHand(wheel.sql, fourth));
    await wheel.becomes(fourth, late.secret, 401);
    const fresh = await wheel.newKey(clusterId);
    await wheel.becomes(fourth, fresh.secret, 200);
  }, 240_000);

  test('is drained and removed by a command, and its queues with it', async () => {
    const drained = await run('region', 'drain', fourth).ended;
    expect(drained).toMatchObject({ exitCode: 0 });
    expect(drained.stdout).toContain('1 clusters are placed there');
    // What is there goes on being published.
    const key = await wheel.newKey(clusterId);
    await wheel.becomes(fourth, key.secret, 200);
    const other = (await wheel.newCluster([])).clusterId;
    const placed = await hub.owner.patch(`/v1/clusters/${other}`, { placements: [{ region: fourth }] });
    expect(placed.body.code).toBe('REGION_NOT_ACTIVE');

    expect(await run('region', 'remove', fourth, '--yes').ended).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('1 clusters are placed in it'),
    });
    const removed = await run('region', 'remove', fourth, '--force', '--yes').ended;
    expect(removed).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('end its gateways') });
    expect(removed.stdout).toContain(`Its table ${spoke.table} at ${spoke.proxy.url} was not touched`);
    expect(await spoke.store.readIdentity()).toMatchObject({ outcome: 'identity' });
    await until(async () => {
      const [left] =
        await wheel.sql`select count(*)::int as jobs from bullmq.job where queue like ${`%${fourth}`}`;
      return left!.jobs === 0;
    }, 'its queues are empty');
    const listed = await run('region', 'list', '--json').ended;
    expect(JSON.parse(listed.stdout).items.map(({ id }: { id: string }) => id)).toEqual(first.toSorted());
  });
});
