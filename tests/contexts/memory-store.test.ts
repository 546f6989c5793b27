import { MemoryStore } from '../../contexts/stores/memory.ts';
import { MemoryTable } from '../../contexts/stores/memory-table.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { describeStore } from './store-conformance.ts';

describeStore('the memory store', async () => {
  const table = new MemoryTable();
  const clock = new VirtualClock();
  return {
    open: () => new MemoryStore({ clock, table }),
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
