import { describe, expect, test } from 'vitest';
import { refText } from '../../../contexts/kinds/index.ts';
import { Fill, type FillHub, type FillOptions, type FillPosition } from '../../../publisher/seeding/fill.ts';
import { brokenBody, clusterBody, clusterOf, keyBody, keyOf, tenantBody, tenantOf } from '../fake-hub.ts';
import { regionOfOne } from '../region-of-one.ts';

const [t1, c1] = [tenantOf('ten_1'), clusterOf('vci_1')];
const keys = Array.from({ length: 7 }, (_, n) => keyOf(`aki_${n}`));

/** A new region that is to hold a tenant, a cluster and seven keys, and has nothing. */
async function emptyRegion() {
  const region = await regionOfOne({ whole: false });
  region.hub.set(t1, tenantBody());
  region.hub.set(c1, clusterBody());
  for (const key of keys) region.hub.set(key, keyBody());
  const positions: FillPosition[] = [];
  const fill = (more: Partial<FillOptions> = {}) =>
    new Fill({
      store: region.store,
      hub: region.hub,
      clock: region.clock,
      pageRows: 3,
      concurrency: 2,
      snapshotAgeMaxMs: 60_000,
      onProgress: async (position) => void positions.push(position),
      ...more,
    });
  return { ...region, fill, positions };
}
/** The hub with something in between. */
function hubWith(hub: FillHub, changes: Partial<FillHub>): FillHub {
  return {
    range: (kind, after, limit) => hub.range(kind, after, limit),
    build: (refs) => hub.build(refs),
    checkNotAhead: () => hub.checkNotAhead(),
    checkRun: () => hub.checkRun(),
    ...changes,
  };
}
const signal = new AbortController().signal;

describe('filling a new table', () => {
  test('[law 3] puts everything, tells where it is, announces nothing and does not say that the table is whole', async () => {
    const region = await emptyRegion();
    await region.fill().run(undefined, signal);
    expect(Object.keys(region.stored())).toHaveLength(9);
    expect(region.positions.map(({ kind, after }) => `${kind} ${after}`)).toEqual([
      ...['tenant ten_1', 'cluster vci_1', 'agent-key aki_2', 'agent-key aki_5', 'agent-key aki_6'],
      'heartbeat ',
    ]);
    expect(region.feed()).toEqual([]);
    expect(region.table.identity!.whole).toBe(false);
  });

  test('goes on from where it was, and reads nothing before that again', async () => {
    const region = await emptyRegion();
    await region.fill().run({ kind: 'agent-key', after: 'aki_2' }, signal);
    expect(Object.keys(region.stored())).toEqual(keys.slice(3).map(refText));
    expect(region.hub.asked).toEqual(['range agent-key aki_2', 'range agent-key aki_5', 'range heartbeat ']);
  });

  test('[law 2] leaves what is newer as it is', async () => {
    const region = await emptyRegion();
    const read: (() => void)[] = [];
    const filling = region
      .fill({
        hub: hubWith(region.hub, {
          range: async (kind, after, limit) => {
            const page = await region.hub.range(kind, after, limit);
            if (kind === t1.kind) await new Promise<void>((resolve) => read.push(resolve));
            return page;
          },
        }),
      })
      .run(undefined, signal);
    await region.clock.advance(0);
    region.hub.remove(t1); // after the filler has read it, and published before the filler puts it
    await region.publish(t1);
    read[0]!();
    await filling;
    expect(region.stored()['tenant/ten_1']).toMatch(/^-/);
  });

  test('[law 2] a filler that was frozen puts nothing of what it had read, and reads it again', async () => {
    const region = await emptyRegion();
    let frozen = false;
    const checkRun = async () => {
      if (frozen) return;
      frozen = true; // as long as between reading a page and putting it
      region.hub.remove(keys[0]!);
      await region.clock.advance(61_000);
    };
    await region
      .fill({ hub: hubWith(region.hub, { checkRun }) })
      .run({ kind: 'agent-key', after: '' }, signal);
    expect(frozen).toBe(true);
    expect(region.stored()).not.toHaveProperty('agent-key/aki_0');
    expect(Object.keys(region.stored())).toHaveLength(6);
  });

  test('leaves out what breaks its schema, and goes on', async () => {
    const region = await emptyRegion();
    region.hub.set(t1, brokenBody);
    await region.fill().run(undefined, signal);
    expect(Object.keys(region.stored())).toHaveLength(8);
    expect(region.stored()).not.toHaveProperty('tenant/ten_1');
  });

  test('[law 2] a put of before the table was lost meets a tombstone', async () => {
    const region = await emptyRegion();
    const late = (await region.hub.build([keys[0]!]))[0]!;
    if (late.state !== 'live') throw new Error(late.state);
    region.hub.remove(keys[0]!);
    const fill = region.fill();
    await fill.run(undefined, signal);
    await fill.bury([keys[0]!, keys[1]!], signal);
    expect(await region.store.put(late.envelope)).toBe('superseded');
    expect(region.stored()['agent-key/aki_0']).toMatch(/^-/);
    expect(region.stored()['agent-key/aki_1'], 'what is live stays').not.toMatch(/^-/);
  });
});
