import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { freePort } from '../support/process.ts';
import { type RunningProgram, startProgram } from '../support/program.ts';
import { describeWith } from '../support/requirements.ts';
import { Client } from './support/client.ts';
import { EventFollower } from './support/event-follower.ts';
import { startHub, type TestHub } from './support/hub.ts';
import * as make from './support/things.ts';
import { goodPassword, Visitor } from './support/visitor.ts';

const patient = { timeout: 60_000, interval: 20 };

/** Two hubs, in turn, behind an HAProxy that asks both whether they are ready. */
describeWith('haproxy', 'hubs behind a load balancer', () => {
  let database: TestDatabase;
  let directory: string;
  let balancer: RunningProgram;
  let url: string;
  let statsUrl: string;
  const ports: number[] = [];
  const hubs: TestHub[] = [];
  let owner: Client;

  const start = (port: number) =>
    startHub({ databaseUrl: database.url, port, environment: { SPOKECAST_PUBLIC_URL: url } });
  beforeAll(async () => {
    database = await createDatabase();
    const [front, stats] = [await freePort(), await freePort()];
    [url, statsUrl] = [`http://127.0.0.1:${front}`, `http://127.0.0.1:${stats}/stats;csv`];
    for (let i = 0; i < 2; i++) {
      ports.push(await freePort());
      hubs.push(await start(ports[i]!));
    }
    directory = await mkdtemp(join(tmpdir(), 'spokecast-haproxy-'));
    const file = join(directory, 'haproxy.cfg');
    await writeFile(
      file,
      `defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 20s
  option redispatch
frontend hub
  bind 127.0.0.1:${front}
  default_backend hubs
frontend stats
  bind 127.0.0.1:${stats}
  stats enable
  stats uri /stats
backend hubs
  balance roundrobin
  option httpchk
  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host hub
  http-check expect status 200
  default-server inter 100ms fall 1 rise 1
${ports.map((port, at) => `  server hub${at} 127.0.0.1:${port} check\n`).join('')}`,
    );
    balancer = await startProgram('haproxy', ['-db', '-f', file], { port: front });
    owner = new Client(url, hubs[0]!.owner.secret);
    for (const at of [0, 1]) await becomes(at, 'UP');
  });
  afterAll(async () => {
    await balancer?.[Symbol.asyncDispose]();
    for (const hub of hubs) await hub[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  /** What the balancer thinks of a hub. */
  const becomes = (at: number, status: 'UP' | 'DOWN') =>
    vi.waitFor(async () => {
      const lines = (await (await fetch(statsUrl)).text()).split('\n').map((line) => line.split(','));
      const line = lines.find(([backend, server]) => backend === 'hubs' && server === `hub${at}`)!;
      expect(line[lines[0]!.indexOf('status')]).toMatch(new RegExp(`^${status}`));
    }, patient);

  test('a session, a repeated request and a stream of events go on at whichever hub comes next', async () => {
    const browser = new Visitor(url);
    const { link } = await make.user(owner, [{ tenantId: null, role: 'viewer' }]);
    expect(link.startsWith(url)).toBe(true);
    await browser.follow(link, { name: 'Ann', password: goodPassword });
    for (let i = 0; i < 4; i++) expect((await browser.api('GET', '/v1/tenants')).status).toBe(200);

    const once = () => owner.post('/v1/tenants', { name: 'once' }, { headers: { 'idempotency-key': 'k-1' } });
    const answers = [await once(), await once(), await once()];
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.id}`)).size).toBe(1);

    const front = { ...hubs[0]!, url };
    let from: string | undefined;
    for (const name of ['one', 'two', 'three']) {
      await using stream = await EventFollower.open(front, owner.secret!, from);
      await owner.patch(`/v1/tenants/${answers[0]!.body.id}`, { name });
      const [event] = await stream.take(1);
      expect(event!.data.entry.after.name).toBe(name);
      from = event!.id;
    }
  });

  test('one after the other is ended and started again, and no request fails', async () => {
    const failed: string[] = [];
    let done = 0;
    const stop = new AbortController();
    const load = [1, 2].map(async (who) => {
      while (!stop.signal.aborted) {
        const asked =
          done % 2 === 0 ? owner.post('/v1/tenants', { name: `t ${who} ${done}` }) : owner.get('/v1/tenants');
        const status = await asked.then(
          (answer) => `${answer.status} ${answer.body.code ?? String(answer.body).slice(0, 200)}`,
          String,
        );
        done += 1;
        if (!/^20[01] /.test(status)) failed.push(status);
      }
    });
    for (const at of [0, 1]) {
      const before = done;
      hubs[at]!.hub.beginToDrain();
      await becomes(at, 'DOWN');
      await hubs[at]![Symbol.asyncDispose]();
      hubs[at] = await start(ports[at]!);
      await becomes(at, 'UP');
      await vi.waitFor(() => expect(done).toBeGreaterThan(before + 10), patient);
    }
    stop.abort();
    await Promise.all(load);
    expect(failed).toEqual([]);
  });
});
