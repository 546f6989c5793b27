import { join } from 'node:path';
import { readIfThere, wheelFiles, writePrivately } from './files.ts';
import { type Answer, ask } from './http.ts';
import type { RegionLayout, WheelLayout } from './layout.ts';

/**
 * What a new wheel is filled with, through the hub's API as anyone would: its regions, and one tenant with one
 * cluster in all of them and an agent key. Done again at every start, it changes only what is not so already.
 */
export interface Demo {
  tenantId: string;
  clusterId: string;
  agentKeyId: string;
  agentKey: string;
}

/** The hub answered a seeding request in a way that seeding has no plan for. */
export class SeedFailed extends Error {
  override name = 'SeedFailed';
}

export class Seeder {
  readonly #layout: WheelLayout;
  readonly #applicationKey: string;

  constructor(layout: WheelLayout, applicationKey: string) {
    this.#layout = layout;
    this.#applicationKey = applicationKey;
  }

  /** Whether the hub knows the application key: not so after its database was removed by hand. */
  async keyWorks(): Promise<boolean> {
    const { status } = await this.#ask('GET', '/v1/regions');
    return status === 200;
  }

  async regions(): Promise<void> {
    for (const region of this.#layout.regions) {
      const store = { endpoint: region.store.endpoint, awsRegion: region.id, table: region.store.table };
      const existing = await this.#get<{ store: Partial<typeof store> }>(`/v1/regions/${region.id}`);
      if (!existing) await this.#do('POST', '/v1/regions', 201, { id: region.id, store });
      else if (existing.store.endpoint !== store.endpoint) {
        await this.#do('PATCH', `/v1/regions/${region.id}`, 200, { store }); // started with another --port-base
      }
    }
  }

  async demo(): Promise<Demo> {
    const path = join(this.#layout.directory, wheelFiles.demo);
    const remembered = await readIfThere(path);
    let demo = remembered ? (JSON.parse(remembered) as Demo) : undefined;
    if (!demo || !(await this.#confirm(demo))) {
      demo = await this.#create();
      await writePrivately(path, JSON.stringify(demo, null, 2));
    }
    await writePrivately(join(this.#layout.directory, wheelFiles.demoAgentKey), demo.agentKey);
    return demo;
  }

  /** Whether the remembered demo is still there; the upstreams of its cluster are brought up to date. */
  async #confirm(demo: Demo): Promise<boolean> {
    const cluster = await this.#get<{ placements: Placement[] }>(`/v1/clusters/${demo.clusterId}`);
    const key = await this.#get(`/v1/agent-keys/${demo.agentKeyId}`);
    if (!cluster || !key) return false;
    const wanted = this.#layout.regions.map(placementIn);
    const upstreams = new Map(
      cluster.placements.map(({ region, overrides }) => [region, overrides?.upstreamUrl]),
    );
    const isMoved = wanted.some(({ region, overrides }) => {
      const current = upstreams.get(region);
      return current !== undefined && current !== overrides.upstreamUrl;
    });
    if (isMoved) {
      const placements = wanted.filter(({ region }) => upstreams.has(region)); // where somebody removed it, it stays so
      await this.#do('PATCH', `/v1/clusters/${demo.clusterId}`, 200, { placements });
    }
    return true;
  }

  async #create(): Promise<Demo> {
    const tenant = await this.#do<{ id: string }>('POST', '/v1/tenants', 201, { name: 'demo' });
    const cluster = await this.#do<{ id: string }>('POST', '/v1/clusters', 201, {
      tenantId: tenant.id,
      name: 'demo',
      upstreamUrl: this.#layout.regions[0]!.upstream.url,
      placements: this.#layout.regions.map(placementIn),
    });
    const key = await this.#do<{ id: string; secret: string }>('POST', '/v1/agent-keys', 201, {
      clusterId: cluster.id,
      name: 'demo',
    });
    return { tenantId: tenant.id, clusterId: cluster.id, agentKeyId: key.id, agentKey: key.secret };
  }

  /** `undefined` for what does not exist. */
  async #get<T>(path: string): Promise<T | undefined> {
    const answer = await this.#ask('GET', path);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw unexpected('GET', path, answer);
    return answer.body as T;
  }

  async #do<T>(method: string, path: string, expected: number, body: unknown): Promise<T> {
    const answer = await this.#ask(method, path, body);
    if (answer.status !== expected) throw unexpected(method, path, answer);
    return answer.body as T;
  }

  #ask(method: string, path: string, body?: unknown): Promise<Answer> {
    return ask(`${this.#layout.hub.url}${path}`, { method, body, bearer: this.#applicationKey });
  }
}

interface Placement {
  region: string;
  overrides?: { upstreamUrl?: string };
}

function placementIn(region: RegionLayout): { region: string; overrides: { upstreamUrl: string } } {
  return { region: region.id, overrides: { upstreamUrl: region.upstream.url } };
}

function unexpected(method: string, path: string, answer: Answer): SeedFailed {
  return new SeedFailed(
    `the hub answered ${method} ${path} with ${answer.status}: ${JSON.stringify(answer.body)}`,
  );
}
