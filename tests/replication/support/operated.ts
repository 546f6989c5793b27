import { expect } from 'vitest';
import { startHub, type TestHub } from '../../hub/support/hub.ts';
import { HubAndSpokes, type StartOptions, until } from './hub-and-spokes.ts';
import { derivedByHand, heldLive } from './independent.ts';

/** A wheel with the hub's API over it, as an operator uses both; `region` is the one that most things happen in. */
export class OperatedWheel implements AsyncDisposable {
  readonly wheel: HubAndSpokes;
  readonly hub: TestHub;
  readonly region = 'eu-west-1';
  /** Where clusters can be moved to. */
  readonly elsewhere = 'us-east-1';

  private constructor(wheel: HubAndSpokes, hub: TestHub) {
    this.wheel = wheel;
    this.hub = hub;
  }

  static async start(options: StartOptions = {}): Promise<OperatedWheel> {
    const wheel = await HubAndSpokes.start({
      ...options,
      publisher: { SPOKECAST_LOSSES_MIN: '20', SPOKECAST_SWEEP_SETTLE_MS: '20', ...options.publisher },
    });
    const environment = { SPOKECAST_ENV: 'test' };
    return new OperatedWheel(wheel, await startHub({ databaseUrl: wheel.databaseUrl, environment }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hub[Symbol.asyncDispose]();
    await this.wheel[Symbol.asyncDispose]();
  }

  /** A tenant's cluster with keys that the region's gateway lets in. */
  async keysOf(count: number) {
    const placed = await this.wheel.newCluster([this.region]);
    const keys = Array.from({ length: count }, () => this.wheel.mintKey());
    await this.wheel.sql.begin(async (sql) => {
      for (const key of keys) await this.wheel.insertKey(placed.clusterId, key, sql);
    });
    await this.allBecome(keys, 200);
    return { ...placed, keys, ids: keys.map(({ id }) => id) };
  }

  async allBecome(keys: readonly { secret: string }[], status: number): Promise<void> {
    for (const key of keys) await this.wheel.becomes(this.region, key.secret, status);
  }

  /** What the region's gateway says to these, each answer once. */
  async answers(keys: readonly { secret: string }[]): Promise<number[]> {
    return [...new Set(await Promise.all(keys.map((key) => this.wheel.ask(this.region, key.secret))))];
  }

  async publishing() {
    return (await this.hub.owner.get(`/v1/regions/${this.region}`)).body.publishing;
  }

  /** Waits until that many contexts are held in the region. */
  isHeld(held: number): Promise<void> {
    return until(async () => (await this.publishing()).held === held, `${held} contexts are held`);
  }

  async holds(query = ''): Promise<{ key: string; kind: string; reason: string; detail: string }[]> {
    return (await this.hub.owner.get(`/v1/regions/${this.region}/holds?limit=200${query}`)).body.items;
  }

  /** How the API sees one context in the region. */
  async context(ref: string) {
    const { regions } = (await this.hub.owner.get(`/v1/contexts/${ref}`)).body;
    return regions.find((one: { region: string }) => one.region === this.region);
  }

  /** One sweep of the region to its end, as the API shows it. */
  async sweep() {
    const { id } = (await this.hub.owner.post('/v1/sweeps', { region: this.region })).body;
    const read = async () => (await this.hub.owner.get(`/v1/sweeps/${id}`)).body;
    await until(async () => ['completed', 'failed'].includes((await read()).status), 'the sweep ends');
    return read();
  }

  async approve(sweep: { id: string }) {
    return (await this.hub.owner.post(`/v1/sweeps/${sweep.id}/approve`)).body;
  }

  /** The region holds what a query written in the tests derives. */
  async converges(): Promise<void> {
    await this.wheel.idle();
    expect(await this.stored()).toEqual(await derivedByHand(this.wheel.sql, this.region));
  }

  stored(): Promise<Map<string, unknown>> {
    return heldLive(this.wheel.spoke(this.region).store);
  }

  /** The window is ten minutes: what was lost earlier must not count here. */
  async freshWindow(): Promise<void> {
    await this.wheel.sql`delete from losses`;
  }

  /** Makes a change whose outbox rows are lost before any relay can take them. */
  async withLostOutbox(change: () => Promise<unknown>): Promise<void> {
    const { wheel } = this;
    for (const publisher of [...wheel.publishers]) await wheel.removePublisher(publisher);
    await change();
    await wheel.sql`delete from outbox`;
    await wheel.addPublisher();
    await wheel.idle();
  }
}
