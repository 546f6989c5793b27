import { join } from 'node:path';
import { HubProblem } from '../client/hub-api.ts';
import { readIfThere, wheelFiles, writePrivately } from './files.ts';
import { answersOk } from './http.ts';
import type { HubClient } from './hub-client.ts';
import type { RegionLayout, WheelLayout } from './layout.ts';

/** One tenant with one cluster in every region and an agent key, so that there is something to ask for at once. */
export interface Demo {
  tenantId: string;
  clusterId: string;
  agentKeyId: string;
  agentKey: string;
}

/** `demo.json`: the demo, and where its cluster's upstreams were, to know them again under another port base. */
interface Remembered extends Demo {
  upstreams: Record<string, string>;
}

interface Placement {
  region: string;
  overrides?: { upstreamUrl?: string };
}

/** Makes the demo, or what is gone of it, and moves its upstreams along with the ports. What people changed stays. */
export async function seedDemo(layout: WheelLayout, hub: HubClient): Promise<Demo> {
  const path = join(layout.directory, wheelFiles.demo);
  const text = await readIfThere(path);
  const remembered = text === undefined ? undefined : (JSON.parse(text) as Remembered);
  const tenantId = await findOr(hub, '/v1/tenants', remembered?.tenantId, () => createTenant(hub));
  const clusterId = await findOr(hub, '/v1/clusters', remembered?.clusterId, () =>
    createCluster(hub, layout, tenantId),
  );
  const isSameCluster = clusterId === remembered?.clusterId;
  if (remembered && isSameCluster) await moveUpstreams(hub, layout, remembered);
  const hasKey = isSameCluster && (await hub.get(`/v1/agent-keys/${remembered.agentKeyId}`)) !== undefined;
  const { agentKeyId, agentKey } = hasKey ? remembered : await createAgentKey(hub, clusterId);

  const demo: Demo = { tenantId, clusterId, agentKeyId, agentKey };
  const upstreams = Object.fromEntries(layout.regions.map(({ id, upstream }) => [id, upstream.url]));
  await writePrivately(path, JSON.stringify({ ...demo, upstreams } satisfies Remembered, null, 2));
  await writePrivately(join(layout.directory, wheelFiles.demoAgentKey), agentKey);
  return demo;
}

/**
 * The regions in which the demo is to work: those whose placement names the region's own upstream, and none while
 * somebody has disabled the key, its cluster or its tenant.
 */
export async function demoRegions(
  layout: WheelLayout,
  hub: HubClient,
  demo: Demo,
): Promise<readonly RegionLayout[]> {
  const things = [
    `/v1/tenants/${demo.tenantId}`,
    `/v1/clusters/${demo.clusterId}`,
    `/v1/agent-keys/${demo.agentKeyId}`,
  ];
  const found = await Promise.all(
    things.map((path) => hub.get<{ status: string; placements?: Placement[] }>(path)),
  );
  if (found.some((thing) => thing?.status !== 'active')) return [];
  const upstreams = new Map(
    found[1]?.placements?.map(({ region, overrides }) => [region, overrides?.upstreamUrl]),
  );
  return layout.regions.filter(({ id, upstream }) => upstreams.get(id) === upstream.url);
}

/** Whether the demo key is let in at that gateway and its requests reach the region's own upstream. */
export async function demoAnswers(region: RegionLayout, demo: Demo): Promise<boolean> {
  const { url } = region.gateway;
  if (!(await answersOk(`${url}/v1/authenticate`, demo.agentKey))) return false;
  return answersOk(`${url}/v1/clusters/${demo.clusterId}/`, demo.agentKey);
}

async function findOr(
  hub: HubClient,
  path: string,
  id: string | undefined,
  make: () => Promise<string>,
): Promise<string> {
  return id !== undefined && (await hub.get(`${path}/${id}`)) !== undefined ? id : make();
}

/** Tenants' names are unique, and `demo.json` may be lost while its tenant lives on. */
async function createTenant(hub: HubClient): Promise<string> {
  for (let number = 1; ; number++) {
    try {
      const name = number === 1 ? 'demo' : `demo ${number}`;
      return (await hub.create<{ id: string }>('/v1/tenants', { name })).id;
    } catch (error) {
      if (!(error instanceof HubProblem && error.status === 409) || number === 100) throw error;
    }
  }
}

async function createCluster(hub: HubClient, { regions }: WheelLayout, tenantId: string): Promise<string> {
  const { id } = await hub.create<{ id: string }>('/v1/clusters', {
    tenantId,
    name: 'demo',
    upstreamUrl: regions[0]!.upstream.url,
    placements: regions.map((region) => ({
      region: region.id,
      overrides: { upstreamUrl: region.upstream.url },
    })),
  });
  return id;
}

async function createAgentKey(
  hub: HubClient,
  clusterId: string,
): Promise<{ agentKeyId: string; agentKey: string }> {
  const key = await hub.create<{ id: string; secret: string }>('/v1/agent-keys', { clusterId, name: 'demo' });
  return { agentKeyId: key.id, agentKey: key.secret };
}

/** Under another `--port-base` the demo upstreams listen elsewhere: the placements that still name them follow. */
async function moveUpstreams(hub: HubClient, layout: WheelLayout, remembered: Remembered): Promise<void> {
  const cluster = await hub.get<{ placements: Placement[] }>(`/v1/clusters/${remembered.clusterId}`);
  const placements = cluster!.placements.map((placement) => {
    const { region, overrides } = placement;
    const upstreamUrl = layout.regions.find(({ id }) => id === region)?.upstream.url;
    const isOurs = upstreamUrl !== undefined && overrides?.upstreamUrl === remembered.upstreams[region];
    return isOurs ? { region, overrides: { ...overrides, upstreamUrl } } : placement;
  });
  if (JSON.stringify(placements) === JSON.stringify(cluster!.placements)) return;
  await hub.update(`/v1/clusters/${remembered.clusterId}`, { placements });
}
