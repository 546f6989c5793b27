import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergeJoin, oneByOne } from '../../../contexts/base/merge-join.ts';

interface Item {
  key: string;
}

/** In runs of these lengths, over and over; a run may be empty. */
async function* streamOf(
  keys: readonly string[],
  onReturn = () => {},
  runLengths: readonly number[] = [1],
): AsyncGenerator<Item[]> {
  try {
    for (let at = 0, run = 0; at < keys.length; at += runLengths[run++ % runLengths.length]!)
      yield keys.slice(at, at + runLengths[run % runLengths.length]!).map((key) => ({ key }));
  } finally {
    onReturn();
  }
}

type RunLengths = readonly number[] | undefined;

async function joined(
  left: readonly string[],
  right: readonly string[],
  lengths: { left?: RunLengths; right?: RunLengths } = {},
): Promise<string[]> {
  const rows: string[] = [];
  const streams = [
    streamOf(left, undefined, lengths.left),
    streamOf(right, undefined, lengths.right),
  ] as const;
  for await (const row of oneByOne(mergeJoin(...streams)))
    rows.push(`${row.left?.key ?? ''}|${row.right?.key ?? ''}`);
  return rows;
}

const keys = fc
  .uniqueArray(fc.stringMatching(/^[a-z0-9_.:-]{1,4}$/), { maxLength: 40 })
  .map((list) => list.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));

const runLengths = fc
  .array(fc.nat({ max: 7 }), { minLength: 1, maxLength: 4 })
  .filter((lengths) => lengths.some((length) => length > 0));

test('[law 3] joins as a naive full outer join does, in byte order', async () => {
  await fc.assert(
    fc.asyncProperty(keys, keys, runLengths, runLengths, async (left, right, leftRuns, rightRuns) => {
      const all = [...new Set([...left, ...right])].sort((a, b) =>
        Buffer.compare(Buffer.from(a), Buffer.from(b)),
      );
      const naive = all.map((key) => `${left.includes(key) ? key : ''}|${right.includes(key) ? key : ''}`);
      expect(await joined(left, right, { left: leftRuns, right: rightRuns })).toEqual(naive);
    }),
  );
});

test.each<[string[], string[]]>([
  [[], []],
  [['a'], []],
  [[], ['a']],
  [['a'], ['a']],
])('%j with %j', async (left, right) => {
  expect(await joined(left, right)).toHaveLength(Math.max(left.length, right.length));
});

test('[law 8] holds one run of each side: it asks for the next only when the last was taken', async () => {
  let asked = 0;
  async function* counting(): AsyncGenerator<Item[]> {
    for (let n = 0; n < 1000; n++) {
      asked += 1;
      yield [{ key: `k${String(n).padStart(4, '0')}` }];
    }
  }
  const rows = mergeJoin(counting(), streamOf([]));
  for (let n = 0; n < 10; n++) await rows.next();
  expect(asked).toBeLessThanOrEqual(11);
  await rows.return(undefined);
});

test('closes both streams when the reader stops early, and when one of them fails', async () => {
  const closed: string[] = [];
  for await (const _ of mergeJoin(
    streamOf(['a', 'b'], () => closed.push('left')),
    streamOf(['a', 'b'], () => closed.push('right')),
  ))
    break;
  expect(closed.sort()).toEqual(['left', 'right']);

  closed.length = 0;
  async function* failing(): AsyncGenerator<Item[]> {
    yield [{ key: 'a' }];
    throw new Error('the store is gone');
  }
  await expect(async () => {
    for await (const _ of mergeJoin(
      streamOf(['a', 'b'], () => closed.push('left')),
      failing(),
    ));
  }).rejects.toThrow('the store is gone');
  expect(closed).toEqual(['left']);
});
