import { describe, expect, test } from 'vitest';
import { kinds, refText } from '../../contexts/kinds/index.ts';
import { encodeVersion } from '../../contexts/revision.ts';
import { StoreError } from '../../contexts/store.ts';
import { RegionAheadError } from '../../publisher/ahead.ts';
import { settle, type VirtualClock } from '../support/virtual-clock.ts';
import { brokenBody, clusterBody, clusterOf, keyBody, keyOf, tenantBody, tenantOf } from './fake-hub.ts';
import { regionOfOne } from './region-of-one.ts';

type RegionOfOne = Awaited<ReturnType<typeof regionOfOne>>;

const [t1, c1, k1, t2, c2, k2] = [
  tenantOf('ten_1'),
  clusterOf('vci_1'),
  keyOf('aki_1'),
  tenantOf('ten_2'),
  clusterOf('vci_2'),
  keyOf('aki_2'),
];

/** One of each kind live, and one of each gone. */
function seed({ hub }: RegionOfOne) {
  hub.set(t1, tenantBody());
  hub.set(c1, clusterBody());
  hub.set(k1, keyBody());
  for (const ref of [t2, c2, k2]) hub.remove(ref);
}
const puts = (region: RegionOfOne) => region.notes.map((note) => note.replace('written ', ''));

describe('order', () => {
  test('what others point at goes first; then what is gone, the other way round', async () => {
    const region = await regionOfOne();
    seed(region);
    await region.publish(k2, c1, t2, k1, c2, t1);
    expect(puts(region)).toEqual([t1, c1, k1, k2, c2, t2].map(refText));
  });

  test('one group is all there before the next begins', async () => {
    const region = await regionOfOne();
    seed(region);
    const gate = region.store.holdNext('put');
    const published = region.publish(t1, c1, k1);
    await gate.reached(1);
    await settle();
    expect(region.stored()).toEqual({});
    gate.open();
    await published;
    expect(Object.keys(region.stored())).toEqual([t1, c1, k1].map(refText));
  });
});

describe('announcing', () => {
  test('what was written is announced, in one entry', async () => {
    const region = await regionOfOne();
    seed(region);
    const { feedNumber, outcomes } = await region.publish(t1, k2);
    expect(feedNumber).toBe(1);
    expect(region.feed()).toEqual([['tenant/ten_1', '-agent-key/aki_2']]);
    expect([...outcomes.values()]).toEqual(['written', 'written']);
  });

  test('[law 6] a duplicate is announced again: whoever put it may have died before saying so', async () => {
    const region = await regionOfOne();
    seed(region);
    const lost = region.store.failNext('announce');
    await expect(region.publish(t1)).rejects.toThrow(StoreError);
    expect(lost.wasHit()).toBe(true);
    expect(region.feed()).toEqual([]);
    const { outcomes } = await region.publish(t1);
    expect(outcomes.get('tenant/ten_1')).toBe('duplicate');
    expect(region.feed()).toEqual([['tenant/ten_1']]);
  });

  test('[law 2] what was superseded is not announced, and stays as it is', async () => {
    const region = await regionOfOne();
    region.hub.set(t1, tenantBody('old'));
    const slow = region.makePublisher();
    const gate = region.store.holdNext('put');
    const overtaken = slow.publish({ refs: [t1] });
    await gate.reached(1);
    region.hub.set(t1, tenantBody('new'));
    await region.publish(t1);
    gate.open();
    const { outcomes, feedNumber } = await overtaken;
    expect(outcomes.get('tenant/ten_1')).toBe('superseded');
    expect(feedNumber).toBeUndefined();
    expect(region.feed()).toHaveLength(1);
    expect(region.table.raw(t1)!.bodyText).toContain('new');
  });

  test('nothing to announce: no entry is written', async () => {
    const region = await regionOfOne();
    const { outcomes, feedNumber } = await region.publish(t1);
    expect(outcomes.get('tenant/ten_1')).toBe('unknown');
    expect(feedNumber).toBeUndefined();
    expect(region.store.count('announce', 'put', 'raiseHighWater')).toBe(0);
  });
});

describe('puts that fail', () => {
  test('[law 6] the others are announced all the same, then it throws; a retry does the rest', async () => {
    const region = await regionOfOne();
    for (const key of ['ten_1', 'ten_2', 'ten_3']) region.hub.set(tenantOf(key), tenantBody());
    region.store.failNext('put');
    const refs = ['ten_1', 'ten_2', 'ten_3'].map(tenantOf);
    await expect(region.publish(...refs)).rejects.toThrow(StoreError);
    expect(region.feed()).toEqual([['tenant/ten_2', 'tenant/ten_3']]);
    await region.publish(...refs);
    expect(region.feed()[1]).toEqual(['tenant/ten_1', 'tenant/ten_2', 'tenant/ten_3']);
    expect(Object.keys(region.stored())).toHaveLength(3);
  });

  test('a put whose answer is lost is a duplicate at the next attempt, and announced then', async () => {
    const region = await regionOfOne();
    seed(region);
    region.store.loseNextAnswer('put');
    await expect(region.publish(t1)).rejects.toThrow(StoreError);
    expect(region.stored()).toHaveProperty(['tenant/ten_1']);
    expect(region.feed()).toEqual([]);
    const { outcomes } = await region.publish(t1);
    expect(outcomes.get('tenant/ten_1')).toBe('duplicate');
    expect(region.feed()).toEqual([['tenant/ten_1']]);
  });

  test('what points at a thing that could not be put waits for it', async () => {
    const region = await regionOfOne();
    seed(region);
    region.store.failNext('put');
    await expect(region.publish(t1, c1, k1)).rejects.toThrow(StoreError);
    expect(region.stored()).toEqual({});
  });

  test('[law 6] a revocation does not wait for the live context of its job that cannot be put', async () => {
    const region = await regionOfOne();
    seed(region);
    region.store.failNext('put');
    await expect(region.publish(t1, c1, k2)).rejects.toThrow(StoreError);
    expect(Object.keys(region.stored())).toEqual(['agent-key/aki_2']);
    expect(region.feed()).toEqual([['-agent-key/aki_2']]);
  });
});

describe('the snapshot', () => {
  test.each([
    ['was frozen', (clock: VirtualClock) => clock.advance(60_001)],
    [
      'slept with its machine, whose monotonic clock stood still',
      async (clock: VirtualClock) => clock.stepWall(60_001),
    ],
  ])(
    '[law 2] one that is older than a minute, because the publisher %s, is thrown away and built again',
    async (_why, pass) => {
      const region = await regionOfOne();
      region.hub.set(t1, tenantBody('old'));
      const frozen = region.store.holdNextAnswer('raiseHighWater'); // as if the process were stopped here
      const published = region.publish(t1);
      await frozen.reached(1);
      region.hub.set(t1, tenantBody('new'));
      await pass(region.clock);
      frozen.open();
      await published;
      expect(region.hub.asked.filter((asked) => asked.startsWith('build'))).toHaveLength(2);
      expect(region.store.count('put'), 'the old one was never put').toBe(1);
      expect(region.table.raw(t1)!.bodyText).toContain('new');
      expect(region.feed()).toEqual([['tenant/ten_1']]);
    },
  );

  test('one that is just a minute old is good', async () => {
    const region = await regionOfOne();
    region.hub.set(t1, tenantBody());
    const frozen = region.store.holdNextAnswer('raiseHighWater');
    const published = region.publish(t1);
    await frozen.reached(1);
    await region.clock.advance(60_000);
    frozen.open();
    await published;
    expect(region.hub.asked).toHaveLength(1);
  });

  test('[law 2] only what was not put in time is built again', async () => {
    const region = await regionOfOne();
    seed(region);
    const gate = region.store.holdNextAnswer('put');
    const published = region.publish(t1, c1);
    await gate.reached(1);
    await region.clock.advance(60_001);
    gate.open();
    await published;
    expect(region.hub.asked).toEqual(['build tenant/ten_1 cluster/vci_1', 'build cluster/vci_1']);
    expect(region.feed()).toEqual([['tenant/ten_1', 'cluster/vci_1']]);
  });
});

describe('quarantine', () => {
  test('what breaks its schema is left out and the last good state stays; the others go on', async () => {
    const region = await regionOfOne();
    seed(region);
    await region.publish(t1);
    const good = region.table.raw(t1);
    region.hub.set(t1, brokenBody);
    const { outcomes } = await region.publish(t1, c1);
    expect(outcomes.get('tenant/ten_1')).toBe('quarantined');
    expect(region.table.raw(t1)).toEqual(good);
    expect(region.feed()[1]).toEqual(['cluster/vci_1']);
  });
});

describe("the region's high-water mark", () => {
  const { schemaVersion } = kinds['agent-key'];
  const ofKey = (revision: number) => encodeVersion({ epoch: 1, revision, schemaVersion });

  test('[law 2] goes up before the first put', async () => {
    const region = await regionOfOne();
    seed(region);
    const gate = region.store.holdNext('put');
    const published = region.publish(t1, k2);
    await gate.reached(1);
    expect(region.stored()).toEqual({});
    expect(region.table.identity!.highWater).toBe(ofKey(6));
    gate.open();
    await published;
  });

  test('[law 2] a publisher whose hub was restored writes nothing, also one that was running all along', async () => {
    const region = await regionOfOne();
    seed(region);
    await region.publish(t1, k2);
    const before = region.stored();
    // The hub is restored from a backup, under the publisher's feet.
    region.hub.drawn = 2;
    region.hub.set(t1, tenantBody('restored'));
    for (const publisher of [region.publisher, region.makePublisher()])
      await expect(publisher.publish({ refs: [t1] })).rejects.toThrow(RegionAheadError);
    expect(region.stored()).toEqual(before);
    // With a higher epoch its writes count as newer.
    region.hub.epoch = 2;
    await region.publish(t1);
    expect(region.table.raw(t1)!.bodyText).toContain('restored');
  });

  test('[law 2] a table that was made anew remembers it again from the next publish on', async () => {
    const region = await regionOfOne();
    seed(region);
    await region.publish(t1, k2);
    region.table.identity!.highWater = null;
    await region.publish(t1);
    expect(region.table.identity!.highWater).not.toBeNull();
  });

  test('a publish that is merely late, behind another publisher, goes on', async () => {
    const region = await regionOfOne();
    seed(region);
    await region.publish(k2);
    await region.publish(t1);
    expect(region.stored()).toHaveProperty(['tenant/ten_1']);
    expect(region.table.identity!.highWater).toBe(ofKey(6));
  });

  test('[law 2] when it cannot be raised, nothing is put', async () => {
    const region = await regionOfOne();
    seed(region);
    region.store.failNext('raiseHighWater');
    await expect(region.publish(t1)).rejects.toThrow(StoreError);
    expect(region.stored()).toEqual({});
  });
});

describe('two publishers', () => {
  test('[law 2] in any order of their puts the newest state is what stays', async () => {
    const region = await regionOfOne();
    const build = region.hub.build.bind(region.hub);
    const held: (() => void)[] = [];
    region.hub.build = async (refs) => {
      const builds = await build(refs);
      await new Promise<void>((resolve) => held.push(resolve));
      return builds;
    };
    const published: Promise<unknown>[] = [];
    for (let n = 1; n <= 4; n++) {
      if (n === 3) region.hub.remove(t1);
      else region.hub.set(t1, tenantBody(`state ${n}`));
      published.push(region.makePublisher().publish({ refs: [t1] }));
      await settle();
    }
    for (const at of [2, 0, 3, 1]) {
      held[at]!();
      await published[at];
    }
    expect(region.table.raw(t1)!.bodyText).toContain('state 4');
    expect(region.notes).toEqual([
      'written tenant/ten_1',
      'superseded tenant/ten_1',
      'written tenant/ten_1',
      'superseded tenant/ten_1',
    ]);
  });
});
