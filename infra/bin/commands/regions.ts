import type { Command } from 'commander';
import type { Region, Seeding, StoreAddress } from '../../client/hub-api.ts';
import { addApiCommands } from '../api/build.ts';
import { asksHub, type Cli, confirm, type HubCommandFlags } from '../cli.ts';
import { HubClient, HubRequestError, hubExitCodes } from '../hub-client.ts';
import { followSeeding } from '../seeding-progress.ts';
import { cell, table } from '../tables.ts';

/** The life of a region at the command line: every command may be given again after Ctrl-C or a crash. */
export function addRegions(regions: Command, cli: Cli): void {
  const { environment, terminal } = cli;
  const define = (name: string, description: string) =>
    asksHub(regions.command(name).description(description)).addHelpText(
      'after',
      '\nAfter Ctrl-C (exit code 130) the same command again goes on.',
    );
  const print = (flags: HubCommandFlags, result: object, words: string) =>
    terminal.print(flags.json ? JSON.stringify(result) : words);

  define('add <id>', 'make a region: its table is set up, filled, verified, and then it is active')
    .requiredOption('--table <name>', "the table in the region's store; it is made if it is absent")
    .option('--endpoint <url>', "where the store is, if not AWS's own endpoint")
    .option('--aws-region <name>', 'the AWS region of the table')
    .option('--no-wait', 'do not wait until it is active')
    .action(async (id: string, flags: HubCommandFlags & StoreFlags & { wait: boolean }) => {
      const hub = HubClient.from(environment, flags);
      const { endpoint, awsRegion, table } = flags;
      await addOrResume(hub, id, { endpoint, awsRegion, table });
      if (!flags.wait) return print(flags, { region: id }, `${id} is being seeded: spokecast regions list`);
      const again = `spokecast regions add ${id} ...`;
      const seeding = await followSeeding(hub, id, await latestSeeding(hub, id), again);
      print(flags, { region: id, seeding }, readyLine(id, seeding));
    });

  define('reseed <id>', "fill a region's table again, and verify it: for one that was lost or is suspected")
    .option('--no-wait', 'do not wait until it is verified')
    .action(async (id: string, flags: HubCommandFlags & { wait: boolean }) => {
      const hub = HubClient.from(environment, flags);
      const asked = await hub.call('createSeeding', { body: { region: id } });
      if (!flags.wait)
        return print(flags, { region: id, seeding: asked }, `${id} is being seeded: spokecast regions list`);
      const seeding = await followSeeding(hub, id, asked, `spokecast regions reseed ${id}`);
      print(flags, { region: id, seeding }, readyLine(id, seeding));
    });

  define('list', 'list the regions, and how far those are that are being seeded').action(
    async (flags: HubCommandFlags) => {
      const hub = HubClient.from(environment, flags);
      const { items } = await hub.list('listRegions', Number.POSITIVE_INFINITY, { query: { limit: 200 } });
      const shown: Listed[] = [];
      for (const one of items) {
        const seeding = await latestSeeding(hub, one.id).catch(() => undefined); // not for keys of a tenant
        shown.push({ ...one, seeding });
      }
      const words = table(['id', 'status', 'publishing', 'table', 'notes'], shown.map(describeRegion));
      print(flags, { items: shown }, items.length === 0 ? 'there are no regions' : words);
    },
  );

  define('drain <id>', 'take no new placements; what is there goes on being published and served').action(
    async (id: string, flags: HubCommandFlags) => {
      const hub = HubClient.from(environment, flags);
      await hub.call('updateRegion', { path: { id }, body: { status: 'draining' } });
      const { items, more } = await hub.list('listClusters', 100, { query: { region: id, limit: 100 } });
      const count = more ? `more than ${items.length}` : String(items.length);
      print(
        flags,
        { region: id, status: 'draining', clusters: items.map((cluster) => cluster.id) },
        items.length === 0
          ? `${id} is draining, and no cluster is placed there: spokecast regions remove ${id}`
          : `${id} is draining. ${count} clusters are placed there: move them (spokecast placements move), then spokecast regions remove ${id}`,
      );
    },
  );

  define(
    'remove <id>',
    'forget a region in which no cluster is placed; its table is never deleted, that is for a person',
  )
    .option('--force', 'also where clusters are placed there: their placements there end')
    .option('--yes', 'do not ask')
    .action(async (id: string, flags: HubCommandFlags & { force?: boolean; yes?: boolean }) => {
      const hub = HubClient.from(environment, flags);
      const found = await hub.call('getRegion', { path: { id } }).catch(absent);
      if (found) {
        const ends = flags.force ? ' The placements of clusters there end.' : '';
        const what = `This forgets the region ${id}: its gateways are told nothing any more, no revocation either.${ends}`;
        await confirm(terminal, what, flags.yes);
        await hub.call('deleteRegion', { path: { id }, query: flags.force ? { force: 'true' } : {} });
      }
      print(
        flags,
        {
          ...{ region: id, removed: found !== undefined },
          ...(found?.store ? { store: found.store, deleteTable: deleteTable(found.store) } : {}),
        },
        found ? removedLine(id, found.store) : `there is no region ${id}`,
      );
    });

  addApiCommands(regions, cli);
}

interface StoreFlags {
  table: string;
  endpoint?: string;
  awsRegion?: string;
}

type Listed = Region & { seeding: Seeding | undefined };

/** A region of that id and store that is there already was asked for by an earlier, interrupted command. */
async function addOrResume(hub: HubClient, id: string, store: StoreAddress): Promise<void> {
  try {
    await hub.call('createRegion', { body: { id, store } });
  } catch (error) {
    if (!(error instanceof HubRequestError && error.code === 'ID_TAKEN')) throw error;
    const found = await hub.call('getRegion', { path: { id } });
    const parts = ['endpoint', 'awsRegion', 'table'] as const;
    if (parts.every((part) => found.store?.[part] === store[part])) return;
    throw new HubRequestError(
      `there is a region ${id} with another store (${JSON.stringify(found.store)}). Nothing was changed`,
      hubExitCodes.refused,
    );
  }
}

async function latestSeeding(hub: HubClient, region: string): Promise<Seeding | undefined> {
  const page = await hub.call('listSeedings', { query: { region, limit: 1 } });
  return page.items[0];
}

function absent(error: unknown): undefined {
  if (error instanceof HubRequestError && error.status === 404) return undefined;
  throw error;
}

/** Exported for its test. */
export function removedLine(id: string, store: StoreAddress | undefined): string {
  const end = `${id} is removed. Revocations do not reach it any more: end its gateways.`;
  if (!store) return end;
  const places = [store.endpoint && `at ${store.endpoint}`, store.awsRegion && `in ${store.awsRegion}`];
  const where = [store.table, ...places.filter(Boolean)].join(' ');
  return `${end} Its table ${where} was not touched, and holds all that was published there: when its gateways have ended, delete it with the tools of your store:\n  ${deleteTable(store)}`;
}

/** As the AWS command line does it, in whose protocol every store of a region is spoken to. */
function deleteTable({ table, endpoint, awsRegion }: StoreAddress): string {
  const flags = {
    '--table-name': table,
    '--endpoint-url': endpoint,
    '--region': awsRegion ?? (endpoint ? 'elsewhere-1' : undefined), // it asks for one; other stores take any
  };
  const words = Object.entries(flags).flatMap(([flag, value]) => (value ? [flag, shellWord(value)] : []));
  return ['aws dynamodb delete-table', ...words].join(' ');
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function readyLine(id: string, seeding: Seeding | undefined): string {
  if (!seeding) return `${id} is active`;
  const { contexts, sweeps, readyAfterMs } = seeding;
  const counted = sweeps === 1 ? '1 sweep' : `${sweeps} sweeps`;
  return `${id} is ready after ${((readyAfterMs ?? 0) / 1000).toFixed(1)} s: ${contexts.total ?? 0} contexts, verified by ${counted}`;
}

/** Its cells in the list. Exported for its test. */
export function describeRegion({
  id,
  status,
  store,
  publishing,
  seeding,
}: Pick<Listed, 'id' | 'status' | 'store' | 'publishing' | 'seeding'>): unknown[] {
  const { state, reason, held = 0, heldAhead = 0, quarantined = 0, freeze } = publishing ?? {};
  const notes = [
    ...(seeding && seeding.finishedAt === null ? [progress(seeding)] : []),
    ...(reason && state !== 'open' && state !== 'disabled' ? [reason] : []),
    ...(freeze ? [`frozen: ${freeze.mode}${freeze.reason === null ? '' : ` (${freeze.reason})`}`] : []),
    ...(held + quarantined > 0 ? [`${held + quarantined} held (spokecast holds list ${id})`] : []),
    ...(heldAhead > 0 ? [`${heldAhead} left to a person (CONTEXT_AHEAD)`] : []),
  ];
  return [id, status, state, store?.table, notes.join('; ')];
}

function progress({ phase, contexts, error }: Seeding): string {
  const { total, filled } = contexts;
  return `${phase}, ${filled} of ${total ?? '?'}${error ? ` (${cell(error)})` : ''}`;
}
