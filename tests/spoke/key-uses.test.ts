import { beforeEach, describe, expect, test } from 'vitest';
import { limits } from '../../contexts/limits.ts';
import { MemoryStore } from '../../contexts/stores/memory.ts';
import { KeyUseWriter } from '../../spoke/key-use-writer.ts';
import { KeyUses } from '../../spoke/key-uses.ts';
import type { PreparedAgentKey } from '../../spoke/prepared.ts';
import { ChaosStore } from '../support/chaos-store.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const minute = 60_000;
const keyOf = (id: string) => ({ id, usedIn: 0 }) as PreparedAgentKey;

describe('a gateway says which keys it let in', () => {
  let clock: VirtualClock;
  let store: ChaosStore;
  let uses: KeyUses;
  let writer: KeyUseWriter;
  let lost: number;
  const start = (keysMax: number) => {
    uses = new KeyUses({ keysMax });
    writer = new KeyUseWriter({
      ...{ clock, store, uses, keysMax, id: 'gw', everyMs: 10 * minute, timeoutMs: 1_000 },
      random: { fraction: () => 0.5, bytes: (count: number) => new Uint8Array(count) },
      onLost: (keys) => {
        lost += keys;
      },
      onError: () => {},
    });
    writer.start();
  };
  const told = async () => (await store.listKeyUses(100)).map(({ place, keys }) => ({ place, keys }));
  beforeEach(async () => {
    clock = new VirtualClock();
    store = new ChaosStore(new MemoryStore({ clock }));
    const owner = { environment: 'test', region: 'r', hubId: 'h' };
    await store.initialise(owner, { shards: 1, newIncarnation: 'i' });
    lost = 0;
    start(10_000);
  });

  test('each once a stretch, however often it was used, and again only if it is used again', async () => {
    const [one, other] = [keyOf('key-1'), keyOf('key-2')];
    for (let n = 0; n < 5; n++) uses.note(one);
    uses.note(other);
    uses.note(keyOf('key-1')); // read anew meanwhile
    await clock.advance(9 * minute);
    expect(await told()).toEqual([]);
    const before = clock.now();
    await clock.advance(2 * minute);
    expect(await told()).toEqual([{ place: 0, keys: ['key-1', 'key-2'] }]);
    const [{ atMs } = { atMs: 0 }] = await store.listKeyUses(1);
    expect(atMs).toBeGreaterThan(before);
    expect(atMs).toBeLessThanOrEqual(clock.now());

    uses.note(other);
    await clock.advance(11 * minute);
    await clock.advance(11 * minute);
    expect(await told()).toEqual([
      { place: 0, keys: ['key-1', 'key-2'] },
      { place: 1, keys: ['key-2'] },
    ]);
    await writer[Symbol.asyncDispose]();
  });

  test('what was used last is said as it ends', async () => {
    uses.note(keyOf('key-1'));
    await writer[Symbol.asyncDispose]();
    expect(await told()).toEqual([{ place: 0, keys: ['key-1'] }]);
  });

  test('[law 8] many keys are many words, and the places are filled anew', async () => {
    for (let n = 0; n < 2 * limits.keyUsesMax + 1; n++) uses.note(keyOf(`key-${n}`));
    await clock.advance(12 * minute);
    expect((await told()).map(({ place, keys }) => [place, keys.length])).toEqual([
      [0, limits.keyUsesMax],
      [1, limits.keyUsesMax],
      [2, 1],
    ]);
    await writer[Symbol.asyncDispose]();
  });

  test('[law 8] while the store is gone they are kept, with their time, as far as there is room', async () => {
    await writer[Symbol.asyncDispose]();
    start(2_500);
    const end = store.outage();
    for (let n = 0; n < 2_000; n++) uses.note(keyOf(`old-${n}`));
    await clock.advance(12 * minute);
    const first = clock.now();
    for (let n = 0; n < 1_400; n++) uses.note(keyOf(`new-${n}`));
    await clock.advance(12 * minute);
    expect([lost, writer.tellsAll]).toEqual([1_000, false]);
    await clock.advance(5 * minute);
    expect(writer.tellsAll).toBe(false);
    end();
    await clock.advance(3 * minute);
    const words = await store.listKeyUses(100);
    expect(words.map(({ keys }) => [keys[0], keys.length])).toEqual([
      ['old-1000', 1_000],
      ['new-0', 1_000],
      ['new-1000', 400],
    ]);
    expect(words[0]!.atMs).toBeLessThanOrEqual(first);
    await clock.advance(10 * minute);
    expect([lost, writer.tellsAll]).toEqual([1_000, true]);
    for (let n = 0; n < 2_501; n++) uses.note(keyOf(`more-${n}`));
    expect(uses.take()).toMatchObject({ left: 1 });
    await writer[Symbol.asyncDispose]();
  });
});
