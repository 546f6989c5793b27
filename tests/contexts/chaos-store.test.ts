import { describe, expect, test } from 'vitest';
import { StoreError } from '../../contexts/store.ts';
import { MemoryStore } from '../../contexts/stores/memory.ts';
import { MemoryTable } from '../../contexts/stores/memory-table.ts';
import { ChaosStore } from '../support/chaos-store.ts';
import { tenantEnvelope, tenantRef } from '../support/samples.ts';
import { collect, describeStore, owner } from './store-conformance.ts';

// A wrapper that is told nothing must be the store it wraps.
describeStore('the chaos store at rest', async () => {
  const table = new MemoryTable();
  return {
    open: () => new ChaosStore(new MemoryStore({ table })),
    editContext: async (ref, changes) => table.edit(ref, changes),
    deleteContext: async (ref) => void table.delete(ref),
    dropFeedEntry: async (number) => void table.feed.delete(number),
    dropFeedHead: async () => {
      table.feedHead = undefined;
    },
    dropIdentity: async () => {
      table.identity = undefined;
    },
    dropTable: async () => table.drop(),
    async [Symbol.asyncDispose]() {},
  };
});

describe('the chaos store', () => {
  const create = async () => {
    const store = new ChaosStore(new MemoryStore());
    await store.initialise(owner, { shards: 1, newIncarnation: 'incarnation-1' });
    store.resetCounts();
    return store;
  };
  const isStored = async (store: ChaosStore) => (await store.inner.read([tenantRef('a')])).items.size === 1;

  test('fails as often as told, before anything happened', async () => {
    const store = await create();
    const failing = store.failNext('put', 2);
    expect(failing.wasHit()).toBe(false);
    await expect(store.put(tenantEnvelope('a', 1))).rejects.toThrow(StoreError);
    await expect(store.put(tenantEnvelope('a', 1))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(await isStored(store)).toBe(false);
    expect(await store.put(tenantEnvelope('a', 1))).toBe('written');
    expect(failing.hits).toBe(2);
    expect(store.count('put')).toBe(3);
  });

  test('loses an answer after it happened', async () => {
    const store = await create();
    store.loseNextAnswer('put');
    await expect(store.put(tenantEnvelope('a', 1))).rejects.toThrow(StoreError);
    expect(await isStored(store)).toBe(true);
  });

  test('holds a call before it happens, or its answer after', async () => {
    const store = await create();
    const before = store.holdNext('put');
    const putting = store.put(tenantEnvelope('a', 1));
    await before.reached();
    expect(await isStored(store)).toBe(false);
    before.open();
    expect(await putting).toBe('written');

    const after = store.holdNextAnswer('read');
    const reading = store.read([tenantRef('a')]);
    await after.reached();
    await store.inner.put(tenantEnvelope('a', 2));
    after.open();
    expect((await reading).items.get('tenant/a')).toMatchObject({ envelope: tenantEnvelope('a', 1) });
  });

  test('an outage is of everything, scans included, until it is over', async () => {
    const store = await create();
    const over = store.outage();
    await expect(store.readIdentity()).rejects.toThrow(StoreError);
    await expect(collect(store.scan('tenant'))).rejects.toThrow(StoreError);
    over();
    expect(await collect(store.scan('tenant'))).toEqual([]);
    expect(store.count()).toBe(3);
  });
});
