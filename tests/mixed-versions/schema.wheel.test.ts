import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HubAndSpokes, until } from '../replication/support/hub-and-spokes.ts';
import { startRole } from './roles.ts';
import { asOfN, asOfNext, type Patches, plantTree, replaced, type Tree } from './tree.ts';

const region = 'eu-west-1';

/** N+1 as it would come: with a migration that only adds, and that N therefore works with once it is told to. */
const withMigration: Patches = {
  ...asOfNext,
  'hub/db/migrations/9999_next.sql': () =>
    `alter table tenants add column note text; --> statement-breakpoint
     create table beacons (id text primary key);`,
  'hub/db/migrations/meta/_journal.json': (text) =>
    replaced(
      text,
      /\}\s*\]\s*\}\s*$/,
      `}, { "idx": 9999, "version": "7", "when": 9999999999999, "tag": "9999_next", "breakpoints": true }] }`,
    ),
};

let n: Tree;
let next: Tree;
let wheel: HubAndSpokes;
beforeAll(async () => {
  [n, next] = [await plantTree(asOfN), await plantTree(withMigration)];
});
afterAll(async () => {
  await wheel?.[Symbol.asyncDispose]();
  n?.[Symbol.dispose]();
  next?.[Symbol.dispose]();
});

describe('a migration between N and N+1, in the order of an upgrade and back', () => {
  beforeAll(async () => {
    wheel = await HubAndSpokes.start({ regions: [region], publishers: 0 });
  });
  const running: Awaited<ReturnType<typeof startRole>>[] = [];
  afterAll(async () => {
    for (const role of running) await role.end();
  });
  const start = async (tree: Tree, role: 'hub' | 'publisher', environment: Record<string, string> = {}) => {
    const started = await startRole(join(tree.path, 'infra/bin/spokecast.ts'), role, {
      DATABASE_URL: wheel.databaseUrl,
      SPOKECAST_ENV: 'test',
      ...environment,
    });
    running.push(started);
    return started;
  };
  const expectRefused = (tree: Tree, why: string) =>
    Promise.all(
      (['publisher', 'hub'] as const).map(async (role) => {
        const refused = await start(tree, role);
        expect(await refused.exit()).toBe(78);
        expect(refused.said()).toContain(why);
      }),
    );
  const keyWorks = async () => {
    const { clusterId } = await wheel.newCluster([region]);
    const { secret } = await wheel.newKey(clusterId);
    await wheel.becomes(region, secret, 200);
  };

  test('[law 3] N runs; N+1 does not start on the older schema, and says what to do', async () => {
    const publisher = await start(n, 'publisher');
    const hub = await start(n, 'hub');
    await Promise.all([publisher.saysReady(), hub.saysReady()]);
    await wheel.ready();
    await keyWorks();
    await expectRefused(next, 'lacks 1 migration(s) (9999_next): run `spokecast migrate` first');
    await keyWorks();
  });

  test('migrated under them, hub and publisher of N notice, end, and do not start again', async () => {
    const [publisher, hub] = running;
    expect(await next.migrations.migrate(wheel.databaseUrl)).toEqual(['9999_next']);
    for (const role of [publisher!, hub!]) {
      expect(await role.exit(30_000)).toBe(78);
      expect(role.said()).toContain('migrated by a newer version of Spokecast');
    }
    await expectRefused(n, 'migrated by a newer version of Spokecast');
    await expect(n.migrations.migrate(wheel.databaseUrl)).rejects.toMatchObject({ code: 'SCHEMA_NEWER' });
  });

  test('[law 3] what was changed meanwhile is published by N+1 when it starts', async () => {
    const { clusterId } = await wheel.newCluster([region]);
    const { secret } = await wheel.newKey(clusterId);
    const publisher = await start(next, 'publisher');
    await publisher.saysReady();
    await wheel.becomes(region, secret, 200);
    expect(await publisher.end()).toBe(0);
  });

  test('[law 3] back again: N works on the newer schema where a person says so, beside N+1 too', async () => {
    const accepting = { SPOKECAST_ACCEPT_NEWER_SCHEMA: 'true' };
    const older = await start(n, 'publisher', accepting);
    const hub = await start(n, 'hub', accepting);
    await Promise.all([older.saysReady(), hub.saysReady()]);
    await keyWorks();
    const newer = await start(next, 'publisher');
    await newer.saysReady();
    for (let at = 0; at < 5; at++) await keyWorks();
    // Beyond the time in which one that does not accept would have noticed.
    await until(async () => older.upMs() > 6_000, 'it goes on');
    expect(older.running()).toBe(true);
    await keyWorks();
    await newer.end();
    await keyWorks();
    expect(await older.end()).toBe(0);
  });
});

test('the journal of N+1 is N’s and one more', () => {
  const entries = ({ path }: Tree) =>
    (
      JSON.parse(readFileSync(join(path, 'hub/db/migrations/meta/_journal.json'), 'utf8')) as {
        entries: object[];
      }
    ).entries;
  expect(entries(next).slice(0, -1)).toEqual(entries(n));
});
