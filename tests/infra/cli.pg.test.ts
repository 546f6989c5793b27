import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openStreams } from '../hub/support/event-follower.ts';
import { startHub, type TestHub } from '../hub/support/hub.ts';
import { agentKey, applicationKey, cluster, region, tenant, user } from '../hub/support/things.ts';
import { goodPassword, Visitor } from '../hub/support/visitor.ts';
import { type Given, runCli } from './support/cli.ts';

const bin = fileURLToPath(new URL('../../infra/bin/spokecast.js', import.meta.url));

let hub: TestHub;
let home: string;
beforeAll(async () => {
  hub = await startHub();
  home = await mkdtemp(join(tmpdir(), 'spokecast-cli-'));
});
afterAll(async () => {
  await hub?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const owner = () => ({ SPOKECAST_HUB_URL: hub.url, SPOKECAST_APPLICATION_KEY: hub.owner.secret! });
const spokecast = (args: string, given?: Given) => runCli(owner(), words(args), given);
const json = async (args: string) => {
  const ran = await spokecast(`${args} --json`);
  expect(ran, args).toMatchObject({ exitCode: 0 });
  return JSON.parse(ran.stdout);
};
/** As a shell would split it, double quotes and all. */
const words = (line: string) =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);

describe('the commands of the API', () => {
  test('make, list, read, change and delete a tenant, a cluster and its keys', async () => {
    const [first, second] = [await region(hub.owner), await region(hub.owner)];
    const { id: tenantId } = await json('tenants create --name "Acme Corp"');
    const file = join(home, 'settings.json');
    await writeFile(file, '{"tier":"gold"}');
    const { id } = await json(
      `clusters create --tenant-id ${tenantId} --name orders --upstream-url http://u.example --region ${first} --region ${second} --settings @${file}`,
    );
    expect(await json(`clusters get ${id}`)).toMatchObject({
      settings: { tier: 'gold' },
      placements: [{ region: first }, { region: second }],
    });
    expect((await spokecast(`clusters list --tenant-id ${tenantId}`)).stdout).toMatch(
      new RegExp(`^ID +NAME +STATUS .*\n${id} +orders +active +${tenantId} +${first},${second}\n$`),
    );
    expect(await json(`clusters update ${id} --status disabled`)).toMatchObject({ status: 'disabled' });
    expect((await spokecast(`tenants get ${tenantId}`)).stdout).toMatch(/^id +ten_\w+\nname +Acme Corp\n/);

    const key = await json(`agent-keys create --cluster-id ${id} --name ci --permissions a --permissions b`);
    expect(key).toMatchObject({ permissions: ['a', 'b'], expiresAt: null });
    expect(
      await json(`agent-keys update ${key.id} --expires-at 2099-01-01T00:00:00Z --permissions none`),
    ).toMatchObject({ permissions: [], expiresAt: '2099-01-01T00:00:00.000Z' });
    expect(await json(`agent-keys update ${key.id} --expires-at none`)).toMatchObject({ expiresAt: null });
    for (const [given, networks] of [
      ['10.0.0.0/8', ['10.0.0.0/8']],
      ['none', null], // there is no empty list of these
    ] as const)
      expect(await json(`agent-keys update ${key.id} --allowed-networks ${given}`)).toMatchObject({
        allowedNetworks: networks,
      });
    expect(await spokecast(`agent-keys delete ${key.id} --yes`)).toMatchObject({
      exitCode: 0,
      stderr: 'done\n',
    });
    expect(await spokecast(`agent-keys get ${key.id}`)).toMatchObject({
      exitCode: 66,
      stderr: expect.stringContaining('NOT_FOUND'),
    });
    const audit = await json(`audit-log list --resource-id ${key.id}`);
    expect(audit.items.map(({ action }: { action: string }) => action)).toContain('agent-key.delete');
  });

  test('a body may come from a file or standard input, with flags before it; what lacks is named at once', async () => {
    const input = JSON.stringify({ name: 'from input' });
    const made = await spokecast('tenants create --from - --json', { input });
    expect(JSON.parse(made.stdout)).toMatchObject({ name: 'from input' });
    const renamed = await spokecast('tenants create --from - --name flag --json', { input });
    expect(JSON.parse(renamed.stdout)).toMatchObject({ name: 'flag' });
    expect(await spokecast('clusters create --name x')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('--tenant-id, --upstream-url, --region are required'),
    });
    expect(await spokecast('tenants create --from -', { input: '[]' })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('one JSON object'),
    });
  });

  test('lists show what is asked for, and say that there is more', async () => {
    const tenantId = await tenant(hub.owner);
    const clusterId = await cluster(hub.owner, tenantId, [await region(hub.owner)]);
    for (let i = 0; i < 5; i++) await agentKey(hub.owner, clusterId);
    const list = `agent-keys list --cluster-id ${clusterId}`;
    const some = await spokecast(`${list} --limit 2`);
    expect(some.stdout.trim().split('\n')).toHaveLength(3);
    expect(some.stderr).toContain('--all');
    expect(await json(`${list} --limit 2`)).toMatchObject({ more: true, items: { length: 2 } });
    expect(await json(`${list} --limit 5`)).toMatchObject({ more: false, items: { length: 5 } });
    expect(await json(`${list} --all`)).toMatchObject({ more: false, items: { length: 5 } });
  });

  test('names cannot move the cursor of who lists them', async () => {
    const { table } = await import('../../infra/bin/tables.ts');
    expect(table(['name'], [['\u001b[2Jx\u202ey']])).toBe('NAME\n?[2Jx?y');
  });

  test('a refusal names the flags at fault, and what to do', async () => {
    const refused = await spokecast(
      `clusters create --tenant-id ten_x --name "" --upstream-url nowhere --region eu-west-9`,
    );
    expect(refused.exitCode).toBe(2);
    for (const flag of ['--tenant-id:', '--name:', '--upstream-url:']) expect(refused.stderr).toContain(flag);
    expect(refused.stderr).toContain('VALIDATION_FAILED');
    expect(refused.stderr).toMatch(/the hub's log knows this request as \S+/);
    const stranger = await runCli({ ...owner(), SPOKECAST_APPLICATION_KEY: 'spa_unknown' }, [
      'tenants',
      'list',
    ]);
    expect(stranger).toMatchObject({ exitCode: 77, stderr: expect.stringContaining('spokecast login') });
    const gone = await runCli(
      { ...owner(), SPOKECAST_HUB_URL: 'http://127.0.0.1:9' },
      words('tenants create --name x'),
    );
    expect(gone).toMatchObject({
      exitCode: 69,
      stderr: expect.stringMatching(/--idempotency-key \S+ does it once/),
    });
  });

  test('a POST with the same idempotency key does nothing twice, and the secret is not told again', async () => {
    const clusterId = await cluster(hub.owner, await tenant(hub.owner), [await region(hub.owner)]);
    const create = `agent-keys create --cluster-id ${clusterId} --name once --idempotency-key k-1`;
    const first = await spokecast(create);
    const again = await spokecast(create);
    expect(first.stdout).toMatch(/^spk_\w+\n$/);
    expect(again).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: expect.stringContaining('is kept nowhere'),
    });
    expect(await json(`agent-keys list --cluster-id ${clusterId}`)).toMatchObject({ items: { length: 1 } });
  });
});

describe('secrets', () => {
  test('the secret stands alone on standard output, the warning beside it', async () => {
    const clusterId = await cluster(hub.owner, await tenant(hub.owner), [await region(hub.owner)]);
    const made = await spokecast(`agent-keys create --cluster-id ${clusterId} --name a`);
    expect(made.stdout).toMatch(/^spk_\w+\n$/);
    expect(made.stderr).toContain('shown this once');
    expect(made.stderr).not.toContain(made.stdout.trim());
  });

  test('or goes to a file of mode 600, and is printed nowhere', async () => {
    const clusterId = await cluster(hub.owner, await tenant(hub.owner), [await region(hub.owner)]);
    const file = join(home, 'agent.key');
    await writeFile(file, 'older', { mode: 0o644 });
    const made = await spokecast(
      `agent-keys create --cluster-id ${clusterId} --name a --secret-file ${file} --json`,
    );
    expect(made.stdout + made.stderr).not.toContain('spk_');
    expect(await readFile(file, 'utf8')).toMatch(/^spk_\w+\n$/);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const before = await json(`agent-keys list --cluster-id ${clusterId}`);
    const nowhere = await spokecast(
      `agent-keys create --cluster-id ${clusterId} --name b --secret-file ${home}/none/x`,
    );
    expect(nowhere.exitCode).toBe(1);
    expect(await json(`agent-keys list --cluster-id ${clusterId}`)).toEqual(before); // found out before the key is made
  });
});

describe('what destroys asks before', () => {
  test('programs say --yes; people see what it is', async () => {
    const id = await tenant(hub.owner, 'doomed & gone');
    const alone = await spokecast(`tenants delete ${id}`);
    expect(alone).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('repeat with --yes') });
    const no = await spokecast(`tenants delete ${id}`, { person: () => 'n' });
    expect(no).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('"doomed & gone"') });
    expect((await hub.owner.get(`/v1/tenants/${id}`)).status).toBe(200);
    expect(await spokecast(`tenants delete ${id}`, { person: () => 'y' })).toMatchObject({ exitCode: 0 });
    expect((await hub.owner.get(`/v1/tenants/${id}`)).status).toBe(404);
  });

  test('what was changed while the person thought stays', async () => {
    const id = await tenant(hub.owner);
    const person = async () => {
      await hub.owner.patch(`/v1/tenants/${id}`, { name: `changed ${id}` });
      return 'y';
    };
    expect(await spokecast(`tenants delete ${id}`, { person })).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('PRECONDITION_FAILED'),
    });
    expect((await hub.owner.get(`/v1/tenants/${id}`)).status).toBe(200);
  });
});

describe('placements, one at a time', () => {
  test('are added, moved and removed, and nobody else loses a change', async () => {
    const [a, b, c] = [await region(hub.owner), await region(hub.owner), await region(hub.owner)];
    const id = await cluster(hub.owner, await tenant(hub.owner), [a]);
    const placed = async () =>
      (await hub.owner.get(`/v1/clusters/${id}`)).body.placements.map(
        (one: { region: string }) => one.region,
      );
    await json(`placements add ${id} ${b} --upstream-url http://b.example`);
    expect((await spokecast(`placements list ${id}`)).stdout).toContain('{"upstreamUrl":"http://b.example"}');
    expect(await json(`placements move ${id} ${b} ${c}`)).toEqual({
      items: [{ region: a }, { region: c, overrides: { upstreamUrl: 'http://b.example' } }],
    });
    expect(await spokecast(`placements remove ${id} ${c}`)).toMatchObject({ exitCode: 3 });
    // Three at once: each reads again what the others have changed.
    const ran = await Promise.all([
      spokecast(`placements add ${id} ${b}`),
      spokecast(`placements remove ${id} ${c} --yes`),
      spokecast(`placements add ${id} ${a} --upstream-url http://a.example`),
    ]);
    expect(ran.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
    expect(await placed()).toEqual([a, b]);
    expect(await spokecast(`placements remove ${id} ${c} --yes`)).toMatchObject({ exitCode: 66 });
  });
});

describe('publishing', () => {
  test('is frozen and goes on, for one region or for all by name', async () => {
    const id = await region(hub.owner);
    expect(await spokecast('freeze')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('--all-regions'),
    });
    expect(await spokecast(`freeze ${id} --mode all`)).toMatchObject({ exitCode: 3 });
    expect(await json(`freeze ${id} --reason "incident 4711"`)).toMatchObject({
      region: id,
      mode: 'loosening',
    });
    expect(await json('freeze --all-regions')).toMatchObject({ region: null });
    expect((await spokecast('freezes list')).stdout).toMatch(
      new RegExp(`\\(all\\) +loosening[^]*${id} .*incident 4711`),
    );
    expect((await spokecast('regions list')).stdout).toMatch(
      new RegExp(`${id} +seeding .*frozen: loosening \\(incident 4711\\)`),
    );
    expect((await spokecast(`unfreeze ${id}`)).stdout).toContain('every region is still frozen');
    await spokecast('unfreeze --all-regions');
    expect((await spokecast('freezes list')).stderr).toBe('nothing is frozen\n');
  });

  test('a sweep is asked for, and what is held is listed and approved by who has seen it', async () => {
    const id = await region(hub.owner);
    const asked = await json(`sweep ${id}`);
    expect(await json(`sweeps list --region ${id}`)).toMatchObject({
      items: [{ id: asked.id, status: 'requested' }],
    });
    expect(await spokecast(`sweeps approve ${asked.id}`)).toMatchObject({ exitCode: 3 });
    expect(await spokecast(`sweeps approve ${asked.id} --yes`)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('NOTHING_HELD'),
    });
    expect(await spokecast(`holds list ${id}`)).toMatchObject({ exitCode: 0, stderr: 'there are none\n' });
    expect(await json('quarantine list')).toEqual({ items: [], more: false });
    expect(await spokecast(`contexts refresh tenant ${await tenant(hub.owner)}`)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('requested'),
    });
  });

  test('a change is waited for, and who has not seen it is told', async () => {
    const clusterId = await cluster(hub.owner, await tenant(hub.owner), [await region(hub.owner)]);
    const unseen = await spokecast(`clusters update ${clusterId} --name other --wait 0`);
    expect(unseen).toMatchObject({ exitCode: 75, stderr: expect.stringMatching(/spokecast wait fen_/) });
    expect(
      JSON.parse((await spokecast(`tenants create --name lonely --wait 9 --json`)).stdout),
    ).toHaveProperty('id');
  });
});

describe('status', () => {
  test('tells of every region, also of those whose store cannot be reached', async () => {
    const id = await region(hub.owner);
    const judged = await json('status');
    expect(judged).toMatchObject({ health: 'down' });
    expect(judged.regions.find((one: { region: string }) => one.region === id)).toMatchObject({
      ...{ status: 'seeding', gateways: [], contexts: null, sweptAgoMs: null },
      reasons: expect.arrayContaining(['no gateway reports']),
    });
    const { stdout } = await spokecast('status');
    expect(stdout).toContain(`${hub.url}  ${judged.at.slice(0, 10)}`);
    expect(stdout).toMatch(new RegExp(`^${id} +down +seeding `, 'm'));
    const { secret } = await applicationKey(hub.owner, { role: 'viewer', tenantId: await tenant(hub.owner) });
    const stranger = await runCli({ ...owner(), SPOKECAST_APPLICATION_KEY: secret }, ['status']);
    expect(stranger).toMatchObject({ exitCode: 77 });
  });
});

describe('events', () => {
  test('are followed from where one says, as lines or as JSON', async () => {
    const name = 'watched by the command line';
    const { id } = (await hub.owner.post('/v1/tenants', { name })).body;
    const [since] = (await json('events --since oldest --count 1')).id.split('-');
    const all = await spokecast('events --since oldest --count 1');
    expect(all.stdout).toMatch(/^\d{4}-\d\d-\d\dT\S+ {2}\w+/);
    const until = (streams: number) =>
      vi.waitFor(async () => expect(await openStreams(hub)).toBe(streams), { timeout: 30_000 });
    await until(0);
    const following = json('events --count 1');
    await until(1);
    await hub.owner.patch(`/v1/tenants/${id}`, { status: 'suspended' });
    expect(await following).toMatchObject({
      event: 'audit',
      data: { entry: { action: 'tenant.update', resourceId: id } },
    });
    expect(await runCli(owner(), ['events', '--since', `${Number(since) + 1}-0`])).toMatchObject({
      exitCode: 2,
    });
  });

  test('whoami tells which key asks', async () => {
    expect((await spokecast('whoami')).stdout).toMatch(
      /^test owner \(apk_\w+\), owner of the platform, at http/,
    );
  });
});

describe('profiles', () => {
  const environment = () => ({ XDG_CONFIG_HOME: home });
  const login = (flags: string, input: string) =>
    runCli(environment(), words(`login --hub ${hub.url} ${flags}`), { input });
  const path = () => join(home, 'spokecast', 'profiles.json');

  test('login tries the key, keeps it where only its owner reads it, and shows it never', async () => {
    expect(await login('', 'spa_wrong')).toMatchObject({ exitCode: 77 });
    expect(await login('', '')).toMatchObject({ exitCode: 78 });
    const { secret } = await applicationKey(hub.owner, { role: 'viewer' });
    const kept = await login('--profile prod', `${secret}\n`);
    expect(kept).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('profile prod') });
    expect((await stat(path())).mode & 0o777).toBe(0o600);
    const listed = await runCli(environment(), ['profiles', 'list']);
    expect(listed.stdout).toContain(`*  prod  ${hub.url}`);
    expect(listed.stdout + kept.stdout + kept.stderr).not.toContain(secret);
    expect(await runCli(environment(), ['tenants', 'list'])).toMatchObject({ exitCode: 0 });
    expect(await runCli(environment(), words('tenants create --name x'))).toMatchObject({ exitCode: 77 });
  });

  test('login --browser keeps a key of the person who says yes in the browser', async () => {
    const browser = new Visitor(hub.url);
    const { link, email } = await user(hub.owner, [{ role: 'admin' }]);
    await browser.follow(link, { name: 'Ann', password: goodPassword });
    let saidYes: Promise<string> | undefined;
    const sayYes = async (page: string) => {
      const { pathname, search, searchParams } = new URL(page);
      expect((await browser.open(pathname + search)).text).toContain('act as you');
      const back = await browser.submit(pathname, Object.fromEntries(searchParams));
      const url = new URL(back.headers.get('refresh')!.replace('0; url=', ''));
      // Somebody else's page in the same browser finds the port, and is not listened to.
      expect((await fetch(`${url.origin}/?code=x&state=y`)).status).toBe(404);
      return (await fetch(url)).text();
    };
    const ran = await runCli(environment(), words(`login --hub ${hub.url} --browser --profile own`), {
      onSay: (text) => {
        const page = /http\S+command-line\S+/.exec(text)?.[0];
        if (page) saidYes = sayYes(page);
      },
    });
    expect(ran).toMatchObject({ exitCode: 0, stderr: expect.stringContaining(`You are ${email}, admin`) });
    expect(await saidYes).toContain('close this page');
    const kept = JSON.parse(await readFile(path(), 'utf8')).profiles.own;
    expect(kept).toMatchObject({ url: hub.url, expiresAt: expect.any(String) });
    expect(ran.stderr + ran.stdout).not.toContain(kept.applicationKey);
    expect(await runCli(environment(), words('tenants create --name x --profile own'))).toMatchObject({
      exitCode: 0,
    });
    // Logging out ends the key; where the hub cannot be asked, nothing is forgotten.
    const stored = await readFile(path(), 'utf8');
    const out = (flags = '') => runCli(environment(), words(`logout --profile own ${flags}`));
    await writeFile(path(), stored.replaceAll(hub.url, 'http://127.0.0.1:9'));
    expect(await out()).toMatchObject({ exitCode: 69, stderr: expect.stringContaining('--keep') });
    await writeFile(path(), stored);
    expect(await out('--keep')).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('/account') });
    expect((await hub.as(kept.applicationKey).get('/v1/tenants')).status).toBe(200);
    await writeFile(path(), stored);
    expect(await out()).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('is revoked') });
    expect((await hub.as(kept.applicationKey).get('/v1/tenants')).status).toBe(401);
    await writeFile(path(), stored);
    expect(await out()).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('did not work') });
    expect(await runCli(environment(), words('profiles use prod'))).toMatchObject({ exitCode: 0 });
  });

  test('login --browser tells the code and what belongs to it to the hub alone, not to where it points', async () => {
    const heard: string[] = [];
    const pointing = createServer((request, response) => {
      heard.push(`${request.method} ${request.url}`);
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    await new Promise<void>((resolve) => pointing.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(pointing.address() as AddressInfo).port}`;
    let said: Promise<unknown> | undefined;
    const ran = await runCli(environment(), words(`login --hub ${url} --browser --profile pointed`), {
      onSay: (text) => {
        const page = /http\S+command-line\S+/.exec(text)?.[0];
        if (!page) return;
        const { searchParams } = new URL(page);
        const back = new URLSearchParams({ code: 'c', state: searchParams.get('state')! });
        said = fetch(`http://127.0.0.1:${searchParams.get('port')}/?${back}`);
      },
    });
    await said;
    await new Promise((resolve) => pointing.close(resolve));
    expect(heard).toEqual(['POST /command-line/key']);
    expect(ran.exitCode).not.toBe(0);
  });

  test("flags go before the environment, that before profiles; a profile's key goes to its own hub alone", async () => {
    const { hubAddress } = await import('../../infra/bin/hub-options.ts');
    const { secret } = await applicationKey(hub.owner, { role: 'admin' });
    await login('--profile other --no-use', secret);
    const viewer = JSON.parse(await readFile(path(), 'utf8')).profiles.prod.applicationKey;
    const at = (more: Record<string, string>, flags = {}) => hubAddress({ ...environment(), ...more }, flags);
    expect(at({})).toEqual({ url: hub.url, applicationKey: viewer, profile: 'prod' });
    expect(at({}, { profile: 'other' })).toEqual({ url: hub.url, applicationKey: secret, profile: 'other' });
    expect(at({ SPOKECAST_PROFILE: 'other' })).toMatchObject({ profile: 'other' });
    expect(at({ SPOKECAST_APPLICATION_KEY: 'spa_given' })).toEqual({
      url: 'http://127.0.0.1:4000',
      applicationKey: 'spa_given',
    });
    expect(at({ SPOKECAST_APPLICATION_KEY: 'spa_given' }, { hub: 'http://elsewhere/' })).toEqual({
      url: 'http://elsewhere',
      applicationKey: 'spa_given',
    });
    expect(at({ SPOKECAST_HUB_URL: `${hub.url}/` })).toMatchObject({ profile: 'prod' });
    expect(() => at({}, { hub: 'http://elsewhere' })).toThrow('SPOKECAST_APPLICATION_KEY is required');
    expect(() => at({}, { profile: 'none' })).toThrow('only prod, other');
    expect(() => at({}, { profile: 'other', hub: hub.url })).toThrow('leave out --hub');
  });

  test('a file that others may read is refused, and one that is broken is not printed', async () => {
    await chmod(path(), 0o644);
    const open = await runCli(environment(), ['tenants', 'list']);
    expect(open).toMatchObject({ exitCode: 78, stderr: expect.stringContaining('chmod 600') });
    await writeFile(path(), '{"spa_secret', { mode: 0o600 });
    await chmod(path(), 0o600);
    const broken = await runCli(environment(), ['profiles', 'list']);
    expect(broken).toMatchObject({ exitCode: 78, stderr: expect.stringContaining('no file of profiles') });
    expect(broken.stderr).not.toContain('spa_secret');
  });

  test('are used, forgotten and logged out of', async () => {
    await rm(path());
    await login('--profile a', hub.owner.secret!);
    await login('--profile b', hub.owner.secret!);
    expect(await runCli(environment(), ['profiles', 'use', 'a'])).toMatchObject({ exitCode: 0 });
    expect(await runCli(environment(), ['logout'])).toMatchObject({
      stderr: expect.stringContaining('profile a'),
    });
    expect(await runCli(environment(), ['profiles', 'use', 'a'])).toMatchObject({ exitCode: 78 });
    expect(await runCli(environment(), ['profiles', 'delete', 'b'])).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(await readFile(path(), 'utf8'))).toEqual({ current: null, profiles: {} });
  });
});

test('as a process: login from a pipe, then a list', async () => {
  const env = { PATH: process.env.PATH, HOME: join(home, 'person') };
  const run = (args: string, input = '') =>
    new Promise<string>((resolve, reject) => {
      const child = execFile(process.execPath, [bin, ...words(args)], { env }, (error, stdout, stderr) =>
        error ? reject(new Error(stderr)) : resolve(stdout),
      );
      child.stdin!.end(input);
    });
  await run(`login --hub ${hub.url}`, hub.owner.secret);
  expect(JSON.parse(await run('regions list --json')).items.length).toBeGreaterThan(0);
});
