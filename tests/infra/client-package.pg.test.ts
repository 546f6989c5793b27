import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { startHub, type TestHub } from '../hub/support/hub.ts';

/** The client as it is published: packed, installed by npm into a project that has nothing else, and used there. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
const bin = join(root, 'node_modules', '.bin');
let place: string;
let project: string;
let env: NodeJS.ProcessEnv;
let shipped: string[];
let hub: TestHub;

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'spokecast-consumer-'));
  project = join(place, 'project');
  // A cache of its own, so that nothing can come from where somebody once installed something.
  const npm = { npm_config_cache: join(place, 'cache'), npm_config_offline: 'true' };
  env = { ...process.env, ...npm, PATH: `${bin}${delimiter}${process.env.PATH}` };
  // Of a copy, for other tests read the tree meanwhile, and packing writes into it.
  const copy = join(place, 'source');
  const from = join(copy, 'infra', 'client');
  await cp(join(root, 'infra', 'client'), from, { recursive: true });
  await cp(join(root, 'tsconfig.json'), join(copy, 'tsconfig.json'));
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const pack = ['pack', from, '--json', '--pack-destination', place];
  const [[packed]] = await Promise.all([
    run('npm', pack, { env }).then(({ stdout }) => JSON.parse(stdout.slice(stdout.indexOf('\n[') + 1))),
    startHub().then((started) => {
      hub = started;
    }),
  ]);
  shipped = packed.files.map(({ path }: { path: string }) => path);
  await mkdir(project);
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
  const tarball = join(place, packed.filename);
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: project, env });
});
afterAll(async () => {
  await hub?.[Symbol.asyncDispose]();
  await rm(place, { recursive: true, force: true });
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
    const json = async (...path: string[]) => JSON.parse(await readFile(join(project, ...path), 'utf8'));
    const { version, dependencies } = await json('node_modules', '@spokecast', 'client', 'package.json');
    expect({ version, dependencies }).toEqual({ version: manifest.version, dependencies: undefined });
    expect(Object.keys((await json('package-lock.json')).packages), 'what npm installed').toEqual([
      '',
      'node_modules/@spokecast/client',
    ]);
  });

  test('compiles into a program that works with a hub', async () => {
    await compiled(program);
    const { stdout } = await run(process.execPath, ['program.js', hub.url, hub.owner.secret!], {
      cwd: project,
    });
    expect(JSON.parse(stdout)).toEqual({
      made: ['Acme', 'active'],
      listed: ['Acme'],
      told: ['tenant.update', 'Acme again'],
      refused: [404, 'NOT_FOUND'],
    });
  });

  test('has types that refuse what the API does not have', async () => {
    const { stdout } = await compiled(program.replace('name:', 'nom:').replace('.name', '.nym')).catch(
      (error) => error,
    );
    expect(stdout).toMatch(/'nom' does not exist/);
    expect(stdout).toMatch(/'nym' does not exist/);
  });
});

/** All that the client is for. Of the arguments it says itself what they are, since the project has no types of Node's. */
const program = `
import { HubApi, HubProblem, type Tenant } from '@spokecast/client';
declare const process: { argv: [string, string, string, string] };
const [, , url, applicationKey] = process.argv;
const hub = new HubApi({ url, applicationKey });
const made: Tenant = await hub.call('createTenant', { body: { name: 'Acme' } });
const listed: string[] = [];
for await (const tenant of hub.items('listTenants', { query: { limit: 1 } })) listed.push(tenant.name);
await hub.call('updateTenant', { path: { id: made.id }, body: { name: 'Acme again' } });
let told: unknown[] = [];
for await (const event of hub.events({ since: 'oldest' }))
  if (event.event === 'audit' && event.data.entry.action === 'tenant.update') {
    told = [event.data.entry.action, event.data.entry.after?.['name']];
    break;
  }
const refused = await hub.call('getTenant', { path: { id: made.id.replace(/.$/, '') } }).catch((error: unknown) => {
  if (error instanceof HubProblem) return [error.status, error.code];
  throw error;
});
console.log(JSON.stringify({ made: [made.name, made.status], listed, told, refused }));
`;

/** By a strict compiler that checks the types of what was installed as well. */
async function compiled(text: string): Promise<{ stdout: string }> {
  const compilerOptions = { strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true };
  const how = { module: 'nodenext', target: 'es2023', skipLibCheck: false, types: [] };
  const config = { compilerOptions: { ...compilerOptions, ...how }, include: ['program.ts'] };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config));
  await writeFile(join(project, 'program.ts'), text);
  return run(join(bin, 'tsc'), ['-p', project], { env });
}
