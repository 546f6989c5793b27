import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type * as envelopes from '../../contexts/envelope.ts';
import type * as kinds from '../../contexts/kinds/index.ts';
import type * as dynamo from '../../contexts/stores/dynamodb.ts';
import type * as builders from '../../hub/db/builders/index.ts';
import type * as client from '../../hub/db/client.ts';
import type * as migrations from '../../hub/db/migrate.ts';
import type * as outbox from '../../hub/db/outbox.ts';
import type * as sweeps from '../../hub/db/sweeps.ts';
import type * as ahead from '../../publisher/ahead.ts';
import type * as publisherConfig from '../../publisher/config.ts';
import type * as guards from '../../publisher/guards.ts';
import type * as publisherMetrics from '../../publisher/metrics.ts';
import type * as publish from '../../publisher/publish.ts';
import type * as runSweep from '../../publisher/run-sweep.ts';
import type * as publisherWire from '../../publisher/wire.ts';
import type * as gatewayConfig from '../../spoke/config.ts';
import type * as gatewayWire from '../../spoke/wire.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const frozen = fileURLToPath(new URL('./n', import.meta.url));

/**
 * A build of its own: the production code in a folder of its own, with some files in another version, loaded beside
 * the present one. Nothing of it is shared with another tree but the packages.
 */
export interface Tree extends Disposable {
  readonly path: string;
  readonly envelopes: typeof envelopes;
  readonly kinds: typeof kinds;
  readonly DynamoStore: typeof dynamo.DynamoStore;
  readonly builders: typeof builders;
  readonly outbox: typeof outbox;
  readonly sweeps: typeof sweeps;
  readonly ahead: typeof ahead;
  readonly connect: typeof client.connect;
  readonly migrations: typeof migrations;
  readonly Publisher: typeof publish.Publisher;
  readonly openGuards: typeof guards.openGuards;
  readonly runSweep: typeof runSweep.runSweep;
  readonly publisherMetrics: typeof publisherMetrics.publisherMetrics;
  readonly publisherConfig: typeof publisherConfig.readConfig;
  readonly wirePublisher: typeof publisherWire.wirePublisher;
  readonly gatewayConfig: typeof gatewayConfig.readConfig;
  readonly Gateway: typeof gatewayWire.Gateway;
}

/** What a tree has in another version: a file's new text, given the present one (empty where there is none). */
export type Patches = Readonly<Record<string, (text: string) => string>>;

export async function plantTree(patches: Patches): Promise<Tree> {
  const path = mkdtempSync(join(root, '.spokecast-tree-'));
  for (const folder of ['contexts', 'hub', 'publisher', 'spoke', 'infra'])
    cpSync(join(root, folder), join(path, folder), { recursive: true });
  cpSync(join(root, 'package.json'), join(path, 'package.json'));
  for (const [file, patch] of Object.entries(patches)) {
    const at = join(path, file);
    writeFileSync(at, patch(textOf(at)));
  }
  const load = (file: string) => import(/* @vite-ignore */ pathToFileURL(join(path, file)).href);
  const { DynamoStore } = await load('contexts/stores/dynamodb.ts');
  return {
    path,
    DynamoStore,
    envelopes: await load('contexts/envelope.ts'),
    kinds: await load('contexts/kinds/index.ts'),
    builders: await load('hub/db/builders/index.ts'),
    outbox: await load('hub/db/outbox.ts'),
    sweeps: await load('hub/db/sweeps.ts'),
    ahead: await load('publisher/ahead.ts'),
    connect: (await load('hub/db/client.ts')).connect,
    migrations: await load('hub/db/migrate.ts'),
    Publisher: (await load('publisher/publish.ts')).Publisher,
    openGuards: (await load('publisher/guards.ts')).openGuards,
    runSweep: (await load('publisher/run-sweep.ts')).runSweep,
    publisherMetrics: (await load('publisher/metrics.ts')).publisherMetrics,
    publisherConfig: (await load('publisher/config.ts')).readConfig,
    wirePublisher: (await load('publisher/wire.ts')).wirePublisher,
    gatewayConfig: (await load('spoke/config.ts')).readConfig,
    Gateway: (await load('spoke/wire.ts')).Gateway,
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Version N: its kinds and builders as they were frozen in `n/`, whatever the present ones are. */
export const asOfN: Patches = Object.fromEntries(
  [
    ...['tenant', 'cluster', 'agent-key', 'heartbeat', 'index'].map((name) => [
      'contexts/kinds',
      'kinds',
      name,
    ]),
    ...['tenant', 'cluster', 'agent-key', 'heartbeat'].map((name) => ['hub/db/builders', 'builders', name]),
  ].map(([folder, of, name]) => [
    `${folder}/${name}.ts`,
    () => readFileSync(join(frozen, `${of}.${name}.ts.txt`), 'utf8'),
  ]),
);

/** `text` with `find` replaced. @throws where it is not there: a patch that does nothing proves nothing. */
export function replaced(text: string, find: string | RegExp, by: string): string {
  const result = text.replace(find, by);
  if (result === text) throw new Error(`nothing to patch: ${find} is not in\n${text}`);
  return result;
}

/** Version N+1: the tenant has a field more, under its next schema version, and there is a kind more. */
export const asOfNext: Patches = {
  ...asOfN,
  'contexts/kinds/tenant.ts': () =>
    replaced(
      replaced(asOfN['contexts/kinds/tenant.ts']!(''), 'schemaVersion: 1', 'schemaVersion: 2'),
      'status: z.enum',
      'note: z.string().optional(),\n    status: z.enum',
    ),
  'hub/db/builders/tenant.ts': () =>
    replaced(
      asOfN['hub/db/builders/tenant.ts']!(''),
      'status: row.status,',
      "status: row.status,\n    note: 'of ' + row.name,",
    ),
  'contexts/kinds/beacon.ts': () => `
    import { z } from 'zod';
    import { defineKind } from './kind.ts';
    export const beacon = defineKind({ name: 'beacon', schemaVersion: 1, schema: z.looseObject({ table: z.string() }), denies: () => false, denial: { table: '-' } });`,
  'contexts/kinds/index.ts': () =>
    replaced(
      replaced(
        asOfN['contexts/kinds/index.ts']!(''),
        "import { tenant } from './tenant.ts';",
        "import { beacon } from './beacon.ts';\nimport { tenant } from './tenant.ts';",
      ),
      ', heartbeat }',
      ', heartbeat, beacon }',
    ),
  'hub/db/builders/beacon.ts': () => `
    import { sql } from 'drizzle-orm';
    import { regions } from '../schema.ts';
    import { defineBuilder } from './builder.ts';
    export const beaconBuilder = defineBuilder({
      kind: 'beacon',
      derive: (region) => sql\`select \${regions.id} as "key", \${regions.storeTable} as store_table from \${regions} where \${regions.id} = \${region}\`,
      holders: (keys) => sql\`select k as "key", array[k] as regions from unnest(\${keys}) k\`,
      leftOnPurpose: () => sql\`select true\`,
      toBody: (row) => ({ table: row.store_table }),
    });`,
  'hub/db/builders/index.ts': (text) =>
    replaced(
      replaced(
        text,
        "import { tenantBuilder } from './tenant.ts';",
        "import { beaconBuilder } from './beacon.ts';\nimport { tenantBuilder } from './tenant.ts';",
      ),
      'heartbeat: heartbeatBuilder,',
      'heartbeat: heartbeatBuilder,\n  beacon: beaconBuilder,',
    ),
  'hub/db/budget.ts': (text) => replaced(text, /heartbeat: sql`.*`,/, '$&\n  beacon: sql`regions`,'),
  'spoke/prepared.ts': (text) =>
    replaced(
      text,
      'heartbeat: (envelope) =>',
      'beacon: (envelope) => prepared(envelope, () => [{}, 0]),\n\n  heartbeat: (envelope) =>',
    ),
};
