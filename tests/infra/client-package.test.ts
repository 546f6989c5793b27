import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };

/** The client as it is published: packed, unpacked into a project that has nothing else, and used there. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const bin = join(root, 'node_modules', '.bin');
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
let project: string;
let shipped: string[];
let hub: Server;
let url: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'spokecast-consumer-'));
  // Of a copy, for other tests read the tree meanwhile, and packing writes into it.
  const copy = join(project, 'source');
  const from = join(copy, 'infra', 'client');
  await cp(join(root, 'infra', 'client'), from, { recursive: true });
  await cp(join(root, 'tsconfig.json'), join(copy, 'tsconfig.json'));
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const { stdout } = await run('npm', ['pack', from, '--json', '--offline', '--pack-destination', project], {
    env,
  });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('\n[') + 1));
  shipped = packed.files.map(({ path }: { path: string }) => path);
  const home = join(project, 'node_modules', '@spokecast', 'client');
  await mkdir(home, { recursive: true });
  await run('tar', ['-xzf', join(project, packed.filename), '-C', home, '--strip-components=1']);
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
  hub = createServer((request, response) => {
    const body = { method: request.method, path: request.url, key: request.headers.authorization };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => hub.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
});
afterAll(async () => {
  hub?.close();
  await rm(project, { recursive: true, force: true });
});

describe('the client, as it is published', { timeout: 120_000 }, () => {
  test('is JavaScript and types, of this version, and depends on nothing', async () => {
    expect(shipped.toSorted()).toEqual([
      'README.md',
      ...['event-stream', 'generated/hub-api', 'generated/operations', 'hub-api', 'timer']
        .flatMap((name) => [`dist/${name}.d.ts`, `dist/${name}.js`])
        .toSorted(),
      'package.json',
    ]);
    const text = await readFile(
      join(project, 'node_modules', '@spokecast', 'client', 'package.json'),
      'utf8',
    );
    const { version, dependencies } = JSON.parse(text);
    expect({ version, dependencies }).toEqual({ version: manifest.version, dependencies: undefined });
  });

  test('runs in plain JavaScript', async () => {
    await writeFile(
      join(project, 'consumer.js'),
      `import { HubApi } from '@spokecast/client';
const hub = new HubApi({ url: process.argv[2], applicationKey: 'spa_x' });
console.log(JSON.stringify(await hub.call('getTenant', { path: { id: 'ten_1' } })));`,
    );
    const { stdout } = await run(process.execPath, ['consumer.js', url], { cwd: project });
    expect(JSON.parse(stdout)).toEqual({ method: 'GET', path: '/v1/tenants/ten_1', key: 'Bearer spa_x' });
  });

  test('has types that a strict compiler takes, and that refuse what the API does not have', async () => {
    await symlink(join(root, 'node_modules', '@types'), join(project, 'node_modules', '@types'));
    await symlink(join(root, 'node_modules', 'undici-types'), join(project, 'node_modules', 'undici-types'));
    const compilerOptions = {
      ...{
        strict: true,
        noEmit: true,
        module: 'nodenext',
        target: 'es2022',
        lib: ['esnext'],
        types: ['node'],
      },
    };
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    const right = `import { HubApi, type Tenant } from '@spokecast/client';
const hub = new HubApi({ url: 'http://hub', applicationKey: 'spa_x' });
export const made: Tenant = await hub.call('createTenant', { body: { name: 'Acme' } });
for await (const key of hub.items('listAgentKeys')) console.log(key.clusterId);
for await (const event of hub.events()) if (event.event === 'propagation') console.log(event.data.step);
`;
    await writeFile(join(project, 'consumer.ts'), right);
    await compiled();
    await writeFile(
      join(project, 'consumer.ts'),
      right.replace('name:', 'nom:').replace('.clusterId', '.cluster'),
    );
    const { stdout } = await compiled().catch((error) => error);
    expect(stdout).toMatch(/'nom' does not exist/);
    expect(stdout).toMatch(/'cluster' does not exist/);
  });
});

function compiled() {
  return run(join(bin, 'tsc'), ['-p', project], { env });
}
