import type { Context, Gateway, Region, Seeding, Sweep } from '../../client/hub-api.ts';
import { exitCodes } from '../exit-codes.ts';
import { type HubClient, HubRequestError } from '../hub-client.ts';

/** What the hub knows of one region, put together from its API. */
export interface RegionFacts {
  region: Region;
  gateways: readonly Gateway[];
  /** The latest that ran to its end, and the latest of all. */
  completedSweep: Sweep | undefined;
  latestSweep: Sweep | undefined;
  seeding: Seeding | undefined;
  /** The heartbeat, as the hub derives it and the region's store holds it; undefined where there is none. */
  heartbeat: Context['regions'][number] | undefined;
}

export interface Facts {
  /** By the hub's clock, to the second. */
  atMs: number;
  regions: readonly RegionFacts[];
}

/** Regions that are asked about at the same time: a hundred of them are not to be a hundred requests at once. */
const atOnceMax = 8;

/** @throws HubRequestError: of a region that is gone meanwhile nothing is told, any other refusal is the command's. */
export async function collectFacts(hub: HubClient): Promise<Facts> {
  const { atMs } = await hub.send('listRegions', { query: { limit: 1 } });
  const { items } = await hub.list('listRegions', Number.POSITIVE_INFINITY, { query: { limit: 200 } });
  const facts: (RegionFacts | undefined)[] = new Array(items.length);
  let next = 0;
  const work = async () => {
    for (let index = next++; index < items.length; index = next++)
      facts[index] = await unlessAbsent(factsOf(hub, items[index]!));
  };
  await Promise.all(Array.from({ length: atOnceMax }, work));
  return { atMs, regions: facts.filter((one) => one !== undefined) };
}

async function factsOf(hub: HubClient, region: Region): Promise<RegionFacts> {
  const { id } = region;
  const [gateways, completed, latest, seedings, heartbeat] = await Promise.all([
    hub.list('listRegionGateways', Number.POSITIVE_INFINITY, { path: { id }, query: { limit: 200 } }),
    hub.call('listSweeps', { query: { region: id, status: 'completed', limit: 1 } }),
    hub.call('listSweeps', { query: { region: id, limit: 1 } }),
    hub.call('listSeedings', { query: { region: id, limit: 1 } }),
    heartbeatOf(hub, id),
  ]);
  return {
    region,
    gateways: gateways.items,
    completedSweep: completed.items[0],
    latestSweep: latest.items[0],
    seeding: seedings.items[0],
    heartbeat,
  };
}

/** Undefined where there is none yet, and for an application key of one tenant: heartbeats are the platform's. */
async function heartbeatOf(hub: HubClient, region: string): Promise<RegionFacts['heartbeat']> {
  const context = await unlessAbsent(hub.call('getContext', { path: { kind: 'heartbeat', key: region } }));
  return context?.head ? context.regions.find((one) => one.region === region) : undefined;
}

/** Undefined where the hub says that there is no such thing. */
async function unlessAbsent<Found>(asked: Promise<Found>): Promise<Found | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof HubRequestError && error.exitCode === exitCodes.absent) return undefined;
    throw error;
  }
}
