/**
 * A stream whose first item is asked for at once, and not when somebody begins to go through it. Where that fails, who
 * goes through it is told; nobody is where nobody does.
 */
export function begun<Item>(stream: AsyncIterable<Item>): AsyncIterable<Item> {
  const iterator = stream[Symbol.asyncIterator]();
  const first = iterator.next();
  first.catch(() => {}); // it is awaited later, or never
  return {
    async *[Symbol.asyncIterator]() {
      try {
        for (let next = await first; !next.done; next = await iterator.next()) yield next.value;
      } finally {
        await iterator.return?.();
      }
    },
  };
}
