import type { Command } from 'commander';
import { describeOptions, type Environment } from '../../contexts/base/options.ts';
import { HubClient, type HubFlags, HubRequestError, hubExitCodes } from './hub-client.ts';
import { hubClientOptions } from './hub-options.ts';
import { followSeeding, type SeedingView } from './seeding-progress.ts';

interface StoreView {
  endpoint?: string;
  awsRegion?: string;
  table: string;
}

interface RegionView {
  id: string;
  status: 'seeding' | 'active' | 'draining' | 'disabled';
  store?: StoreView;
  /** For keys of the platform. */
  publishing?: { state: string; reason: string | null; held: number; heldAhead: number; quarantined: number };
}

interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

type Flags = HubFlags & { json?: boolean };

/** The life of a region at the command line: every command may be given again after Ctrl-C or a crash. */
export function addRegion(program: Command, environment: Environment): void {
  const region = program
    .command('region')
    .description('add, list, drain, remove and re-seed regions, by the API of a hub that runs');
  const define = (name: string, description: string) =>
    region
      .command(name)
      .description(description)
      .option('--hub <url>', 'where the hub answers')
      .option('--key-file <path>', 'a file that holds the application key')
      .option('--json', 'print the result as JSON')
      .addHelpText(
        'after',
        `\nExit codes: 0 done, 2 the hub refuses, 66 no such region, 77 key refused, 69 the hub does not answer, 130 after Ctrl-C: the same command again goes on.\n\nConfigured by environment variables:\n\n${describeOptions(hubClientOptions)}`,
      );

  define('add <id>', 'make a region: its table is set up, filled, verified, and then it is active')
    .requiredOption('--table <name>', "the table in the region's store; it is made if it is absent")
    .option('--endpoint <url>', "where the store is, if not AWS's own endpoint")
    .option('--aws-region <name>', 'the AWS region of the table')
    .option('--no-wait', 'do not wait until it is active')
    .action(async (id: string, flags: Flags & StoreFlags & { wait: boolean }) => {
      const hub = HubClient.from(environment, flags);
      const store: StoreView = {
        ...(flags.endpoint === undefined ? {} : { endpoint: flags.endpoint }),
        ...(flags.awsRegion === undefined ? {} : { awsRegion: flags.awsRegion }),
        table: flags.table,
      };
      await addOrResume(hub, id, store);
      if (!flags.wait) return print(flags, { region: id }, `${id} is being seeded: spokecast region list`);
      const seeding = await followSeeding(
        hub,
        id,
        await latestSeeding(hub, id),
        `spokecast region add ${id} ...`,
      );
      print(flags, { region: id, seeding }, readyLine(id, seeding));
    });

  define('reseed <id>', "fill a region's table again, and verify it: for one that was lost or is suspected")
    .option('--no-wait', 'do not wait until it is verified')
    .action(async (id: string, flags: Flags & { wait: boolean }) => {
      const hub = HubClient.from(environment, flags);
      const asked = await hub.post<SeedingView>('/v1/seedings', { region: id });
      if (!flags.wait)
        return print(flags, { region: id, seeding: asked }, `${id} is being seeded: spokecast region list`);
      const seeding = await followSeeding(hub, id, asked, `spokecast region reseed ${id}`);
      print(flags, { region: id, seeding }, readyLine(id, seeding));
    });

  define('list', 'list the regions, and how far those are that are being seeded').action(
    async (flags: Flags) => {
      const hub = HubClient.from(environment, flags);
      const items: (RegionView & { seeding: SeedingView | undefined })[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const page: Page<RegionView> = await hub.get(`/v1/regions?limit=100${cursor && `&cursor=${cursor}`}`);
        for (const one of page.items) {
          const seeding = await latestSeeding(hub, one.id).catch(() => undefined); // not for keys of a tenant
          items.push({ ...one, seeding });
        }
        cursor = page.nextCursor;
      }
      print(flags, { items }, items.map(describeRegion).join('\n') || 'there are no regions');
    },
  );

  define('drain <id>', 'take no new placements; what is there goes on being published and served').action(
    async (id: string, flags: Flags) => {
      const hub = HubClient.from(environment, flags);
      await hub.patch(`/v1/regions/${encodeURIComponent(id)}`, { status: 'draining' });
      const page = await hub.get<Page<{ id: string }>>(
        `/v1/clusters?region=${encodeURIComponent(id)}&limit=100`,
      );
      const count = page.nextCursor === null ? String(page.items.length) : `more than ${page.items.length}`;
      print(
        flags,
        { region: id, status: 'draining', clusters: page.items.map((cluster) => cluster.id) },
        page.items.length === 0
          ? `${id} is draining, and no cluster is placed there: spokecast region remove ${id}`
          : `${id} is draining. ${count} clusters are placed there: move them, then spokecast region remove ${id}`,
      );
    },
  );

  define(
    'remove <id>',
    'forget a region in which no cluster is placed; its table is never deleted, that is for a person',
  )
    .option('--force', 'also where clusters are placed there: their placements there end')
    .action(async (id: string, flags: Flags & { force?: boolean }) => {
      const hub = HubClient.from(environment, flags);
      const path = `/v1/regions/${encodeURIComponent(id)}`;
      const found = await hub.get<RegionView>(path).catch(absent);
      if (found) await hub.delete(flags.force ? `${path}?force=true` : path);
      print(
        flags,
        { region: id, removed: found !== undefined, ...(found?.store ? { store: found.store } : {}) },
        found ? removedLine(id, found.store) : `there is no region ${id}`,
      );
    });
}

interface StoreFlags {
  table: string;
  endpoint?: string;
  awsRegion?: string;
}

/** A region of that id and store that is there already was asked for by an earlier, interrupted command. */
async function addOrResume(hub: HubClient, id: string, store: StoreView): Promise<void> {
  try {
    await hub.post('/v1/regions', { id, store });
  } catch (error) {
    if (!(error instanceof HubRequestError && error.code === 'ID_TAKEN')) throw error;
    const found = await hub.get<RegionView>(`/v1/regions/${encodeURIComponent(id)}`);
    const parts = ['endpoint', 'awsRegion', 'table'] as const;
    if (parts.every((part) => found.store?.[part] === store[part])) return;
    throw new HubRequestError(
      `there is a region ${id} with another store (${JSON.stringify(found.store)}). Nothing was changed`,
      hubExitCodes.refused,
    );
  }
}

async function latestSeeding(hub: HubClient, region: string): Promise<SeedingView | undefined> {
  const page = await hub.get<Page<SeedingView>>(`/v1/seedings?region=${encodeURIComponent(region)}&limit=1`);
  return page.items[0];
}

function absent(error: unknown): undefined {
  if (error instanceof HubRequestError && error.status === 404) return undefined;
  throw error;
}

/** Exported for its test. */
export function removedLine(id: string, store: StoreView | undefined): string {
  const end = `${id} is removed. Revocations do not reach it any more: end its gateways.`;
  if (!store) return end;
  const places = [store.endpoint && `at ${store.endpoint}`, store.awsRegion && `in ${store.awsRegion}`];
  const where = [store.table, ...places.filter(Boolean)].join(' ');
  return `${end} Its table ${where} was not touched, and holds all that was published there: when its gateways have ended, delete it with the tools of your store.`;
}

function readyLine(id: string, seeding: SeedingView | undefined): string {
  if (!seeding) return `${id} is active`;
  const { contexts, sweeps, readyAfterMs } = seeding;
  const counted = sweeps === 1 ? '1 sweep' : `${sweeps} sweeps`;
  return `${id} is ready after ${((readyAfterMs ?? 0) / 1000).toFixed(1)} s: ${contexts.total ?? 0} contexts, verified by ${counted}`;
}

/** Exported for its test. */
export function describeRegion({
  id,
  status,
  seeding,
  publishing,
}: RegionView & { seeding?: SeedingView | undefined }): string {
  const parts = [`${id}  ${status}`];
  if (seeding && seeding.finishedAt === null) {
    const { total, filled } = seeding.contexts;
    parts.push(`${seeding.phase}, ${filled} of ${total ?? '?'}${seeding.error ? ` (${seeding.error})` : ''}`);
  }
  if (publishing) {
    const { state, reason, held, heldAhead, quarantined } = publishing;
    if (state !== 'open' && state !== 'disabled') parts.push(`${state}${reason ? `: ${reason}` : ''}`);
    if (held + quarantined > 0) parts.push(`${held + quarantined} held (GET /v1/regions/${id}/holds)`);
    if (heldAhead > 0) parts.push(`${heldAhead} left to a person (CONTEXT_AHEAD)`);
  }
  return parts.join('  ');
}

function print(flags: Flags, result: object, words: string): void {
  console.log(flags.json ? JSON.stringify(result) : words);
}
