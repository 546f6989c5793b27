import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import lock from '../package-lock.json' with { type: 'json' };
import { bans } from './architecture/bans.ts';
import { noCycles, noDeadFiles, suffixesSayNeeds } from './architecture/graph.ts';
import { declaredPackages, importMatrix, packageHomes, serviceEntries } from './architecture/imports.ts';
import { parseSource, type Rule } from './architecture/source.ts';
import * as tree from './architecture/tree.ts';

/**
 * The habits of this repository, checked: one pass over the tree, small rules, each of which says what to do
 * instead. The second half tests the rules themselves on small bad examples.
 */

/** What somebody starts, beside the tests. The memory store is the reference that every test double is. */
const entries = [
  'infra/bin/spokecast.js',
  'infra/local/main.ts',
  'infra/docs/main.ts',
  'contexts/stores/memory.ts',
];

describe('the tree', () => {
  const texts = tree.readTexts();
  const files = tree.parseTexts(texts);
  const keeps = (rule: Rule) => expect(rule(files)).toEqual([]);

  test('imports point the way the design says', () => keeps(importMatrix));
  test('packages are used in their homes', () => keeps(packageHomes));
  test('packages are declared', () =>
    keeps(declaredPackages(Object.keys(manifest.dependencies), Object.keys(manifest.devDependencies))));
  test('main starts, wire constructs, and nobody else', () => keeps(serviceEntries));
  test('clock, randomness, environment, console and exits stay in their homes; no module is mocked', () =>
    keeps(bans));
  test('no import cycles', () => keeps(noCycles));
  test('no dead files', () => keeps(noDeadFiles(entries)));
  test('test files are named after what they need', () => keeps(suffixesSayNeeds));
  test('production files are short', () => keeps(tree.shortFiles));
  test('only known names at the top', () => expect(tree.topLevelNames(readdirSync(tree.root))).toEqual([]));
  test('nothing names a machine or a registry', () =>
    expect(tree.portableTexts(texts, tree.root)).toEqual([]));
  test('the lock file is complete', () =>
    expect(tree.completeLock(lock as tree.LockFile, manifest.allowScripts)).toEqual([]));
});

describe('the rules', () => {
  /** One file each, `path` to text; what the rule says of them. */
  const judged = (rule: Rule, examples: Record<string, string>) =>
    rule(Object.entries(examples).map(([path, text]) => parseSource(path, text)));

  test.each([
    ['spoke/cache.ts', "import { db } from '../hub/db/client.ts';", 'spokes stand alone'],
    ['spoke/cache.ts', "import type { Row } from '../hub/db/client.ts';", 'spokes stand alone'],
    ['spoke/cache.ts', "const x = await import('../publisher/relay.ts');", 'spokes stand alone'],
    ['contexts/store.ts', "export * from '../spoke/cache.ts';", 'contexts/ is what all others share'],
    ['hub/api.ts', "import '../publisher/relay.ts';", 'through the outbox'],
    ['publisher/relay.ts', "import '../hub/api.ts';", 'in the database only'],
    ['hub/db/client.ts', "import '../api.ts';", 'shared with the publisher'],
    ['infra/bin/x.ts', "import '../../hub/wire.ts';", 'knows nothing of what is inside'],
    ['spoke/cache.ts', "import '../tests/support/clock.ts';", 'production never imports tests'],
  ])('import matrix: %s may not say %s', (path, text, reason) => {
    expect(judged(importMatrix, { [path]: text })).toEqual([expect.stringContaining(reason)]);
  });

  test('import matrix: what it lets through', () => {
    const fine = {
      'publisher/relay.ts': "import '../hub/db/outbox.ts'; import '../contexts/ids.ts'; import './jobs.ts';",
      'infra/bin/x.ts': "import '../../hub/config.ts'; import manifest from '../../package.json';",
      'tests/x.test.ts': "import '../spoke/cache.ts'; import '../hub/api.ts';",
    };
    expect(judged(importMatrix, fine)).toEqual([]);
  });

  test.each([
    ['spoke/x.ts', "import postgres from 'postgres';"],
    ['spoke/x.ts', "import { sql } from 'drizzle-orm/sql';"],
    ['hub/x.ts', "import { DynamoDBClient } from '@aws-sdk/client-dynamodb';"],
    ['contexts/store.ts', "import type { AttributeValue } from '@aws-sdk/client-dynamodb';"],
    ['hub/x.ts', "import { Queue } from 'bullmq';"],
    ['spoke/x.ts', "import { pino } from 'pino';"],
  ])('package homes: %s may not say %s', (path, text) => {
    expect(judged(packageHomes, { [path]: text })).toHaveLength(1);
  });

  test('declared packages: what ships needs a dependency, a test may use what is installed for development', () => {
    const rule = declaredPackages(['hono'], ['vitest']);
    const text = "import 'hono/html'; import 'node:fs'; import 'vitest';";
    expect(judged(rule, { 'hub/x.ts': text, 'tests/x.test.ts': text })).toEqual([
      expect.stringMatching(/^hub.*vitest/),
    ]);
    expect(judged(rule, { 'tests/x.test.ts': "import 'left-pad';" })).toHaveLength(1);
  });

  test('service entries: only main.ts gets at wire.ts', () => {
    expect(judged(serviceEntries, { 'hub/main.ts': "import { wire } from './wire.ts';" })).toEqual([]);
    expect(judged(serviceEntries, { 'hub/api.ts': "import { wire } from './wire.ts';" })).toHaveLength(1);
    expect(judged(serviceEntries, { 'publisher/x.ts': "import { main } from './main.ts';" })).toHaveLength(1);
  });

  test.each([
    ['Date.now()', 'Clock'],
    ['new Date()', 'Clock'],
    ["globalThis.x = performance['now']()", 'Clock'],
    ['setTimeout(() => {}, 1)', 'Clock'],
    ['Math.random()', 'Random'],
    ["import { randomBytes } from 'node:crypto'; randomBytes(8)", 'Random'],
    ['console.log(1)', 'Logger'],
    ['const url = process.env.DATABASE_URL', 'option'],
    ['const { env } = process', 'option'],
    ['process.exit(1)', 'main()'],
  ])('bans: %s', (text, instead) => {
    expect(judged(bans, { 'spoke/x.ts': text })).toEqual([expect.stringContaining(instead)]);
  });

  test('bans: what looks alike is fine, and so are homes', () => {
    const fine = {
      'spoke/x.ts': '// Date.now()\nconst s = "console.log"; new Date(5); clock.now(); timers.setTimeout(1)',
      'contexts/base/clock.ts': 'Date.now(); setTimeout(() => {}, 1)',
      'infra/local/main.ts': 'console.log(process.env)',
      'tests/x.test.ts': 'Date.now()',
    };
    expect(judged(bans, fine)).toEqual([]);
  });

  test('bans: a module mock in a test', () => {
    expect(judged(bans, { 'tests/x.test.ts': "vi.mock('../hub/api.ts')" })).toEqual([
      expect.stringContaining('never mocked'),
    ]);
  });

  test('cycles: found by value, not by type', () => {
    const b = "import './c.ts';";
    const c = (how: string) => `import ${how} { a } from './a.ts';`;
    const cycle = { 'hub/a.ts': "import './b.ts';", 'hub/b.ts': b, 'hub/c.ts': c('') };
    expect(judged(noCycles, cycle)).toEqual([
      expect.stringContaining('hub/a.ts -> hub/b.ts -> hub/c.ts -> hub/a.ts'),
    ]);
    expect(judged(noCycles, { ...cycle, 'hub/c.ts': c('type') })).toEqual([]);
  });

  test('dead files: what only tests use, what nobody uses, and entries that are gone', () => {
    const found = judged(noDeadFiles(['infra/main.ts', 'infra/gone.ts']), {
      'infra/main.ts': "spawn(new URL('./child.ts', import.meta.url))",
      'infra/child.ts': '',
      'hub/tested.ts': '',
      'hub/dead.ts': '',
      'tests/x.test.ts': "import '../hub/tested.ts';",
      'tests/support/dead.ts': '',
    });
    expect(found).toEqual([
      expect.stringMatching(/^infra\/gone.ts.*does not exist/),
      expect.stringMatching(/^hub\/tested.ts.*only tests/),
      expect.stringMatching(/^hub\/dead.ts.*remove it/),
      expect.stringMatching(/^tests\/support\/dead.ts/),
    ]);
  });

  test('suffixes: also through a helper', () => {
    const helpers = {
      'tests/support/database.ts': '',
      'tests/hub/helper.ts': "import '../support/database.ts';",
    };
    const test = "import './helper.ts';";
    expect(judged(suffixesSayNeeds, { ...helpers, 'tests/hub/a.test.ts': test })).toEqual([
      expect.stringContaining('.pg.test.ts'),
    ]);
    expect(judged(suffixesSayNeeds, { ...helpers, 'tests/hub/a.pg.test.ts': test })).toEqual([]);
  });

  test('length, top level, portability, lock', () => {
    const long = '\n'.repeat(tree.productionLinesMax + 1);
    expect(judged(tree.shortFiles, { 'hub/x.ts': long, 'tests/x.test.ts': long })).toHaveLength(1);
    expect(tree.topLevelNames(['hub', 'node_modules', 'utils'])).toEqual([expect.stringMatching(/^utils/)]);
    const home = ['', 'home', 'ann', 'x'].join('/');
    const texts = new Map([
      ['docs/a.md', `see ${home}\nand /checkout/hub/x.ts`],
      ['package-lock.json', `"resolved": "${['https', '//packages.example/x.tgz'].join(':')}"`],
    ]);
    expect(tree.portableTexts(texts, '/checkout')).toHaveLength(3);
    const packages = { 'node_modules/a': { optionalDependencies: { b: '1' }, hasInstallScript: true } };
    expect(tree.completeLock({ packages }, {})).toHaveLength(2);
    expect(tree.completeLock({ packages: { ...packages, 'node_modules/b': {} } }, { a: true })).toEqual([]);
  });
});
