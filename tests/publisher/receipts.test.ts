import { expect, test } from 'vitest';
import { publishForReceipt } from '../../publisher/receipts.ts';
import { regionOfOne } from './region-of-one.ts';

const ref = { kind: 'tenant', key: 'ten_1' } as const;

async function regionWith(name: string) {
  const region = await regionOfOne();
  region.hub.set(ref, { name, status: 'active' });
  const receipt = () =>
    publishForReceipt([ref], 'receipt', {
      publisher: region.publisher,
      store: region.store,
      clock: region.clock,
    });
  return { region, receipt };
}

test('a receipt names the place in the feed that covers what was published', async () => {
  const { region, receipt } = await regionWith('a');
  const head = async () => region.memory.readFeedHead();
  expect(await receipt()).toEqual({
    ...{ id: 'receipt', storedAgoMs: 0, announcedAgoMs: 0, heldBack: null },
    feed: await head(),
  });
  expect((await head()).number).toBe(1);
});

test('what is there already is announced again, and covered', async () => {
  const { region, receipt } = await regionWith('a');
  await region.publish(ref);
  expect((await receipt()).feed.number).toBe(2);
});

test('overtaken by a newer put that nobody announced yet: it is published again, and announced', async () => {
  const { region, receipt } = await regionWith('a');
  const passing = region.store.put.bind(region.store);
  let overtaken = false;
  region.store.put = async (envelope, options) => {
    if (!overtaken) {
      // Another publisher is quicker with a newer state, and dies before it says so.
      overtaken = true;
      region.hub.set(ref, { name: 'b', status: 'active' });
      const [newer] = await region.hub.build([ref]);
      if (newer?.state !== 'live') throw new Error('not live');
      await region.memory.put(newer.envelope);
    }
    return passing(envelope, options);
  };
  const { heldBack, feed } = await receipt();
  expect(region.notes).toEqual(['superseded tenant/ten_1', 'duplicate tenant/ten_1']);
  expect([heldBack, feed.number]).toEqual([null, 1]);
  expect(region.feed()).toEqual([['tenant/ten_1']]);
});

test('what must not be published, or is not known, is held back', async () => {
  const { region, receipt } = await regionWith('a');
  region.hub.set(ref, { name: 5, status: 'active' } as never);
  expect((await receipt()).heldBack).toBe('tenant/ten_1 is quarantined');
});
