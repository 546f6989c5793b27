/**
 * Joins two streams that ascend by key, holding one item of each in memory: what only the left has, what only the
 * right has, what both have. Both must be strictly ascending in byte order; keys are such that JavaScript's `<`
 * is byte order (contexts/keys.ts).
 */
export async function* mergeJoin<Left extends { key: string }, Right extends { key: string }>(
  left: AsyncIterable<Left>,
  right: AsyncIterable<Right>,
): AsyncGenerator<{ left?: Left; right?: Right }> {
  const lefts = left[Symbol.asyncIterator]();
  const rights = right[Symbol.asyncIterator]();
  try {
    let [l, r] = await Promise.all([lefts.next(), rights.next()]);
    while (!l.done || !r.done) {
      if (r.done || (!l.done && l.value.key < r.value.key)) {
        yield { left: l.value };
        l = await lefts.next();
      } else if (l.done || r.value.key < l.value.key) {
        yield { right: r.value };
        r = await rights.next();
      } else {
        yield { left: l.value, right: r.value };
        [l, r] = await Promise.all([lefts.next(), rights.next()]);
      }
    }
  } finally {
    await Promise.all([lefts.return?.(), rights.return?.()]);
  }
}
