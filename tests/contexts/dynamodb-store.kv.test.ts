import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { feedSortKey } from '../../contexts/stores/dynamodb-items.ts';
import { type Dynalite, startDynalite } from '../support/dynalite.ts';
import { RawDynamo } from '../support/raw-dynamo.ts';
import { describeStore } from './store-conformance.ts';

let server: Dynalite;
let tables = 0;

beforeAll(async () => {
  server = await startDynalite();
});
afterAll(() => server[Symbol.asyncDispose]());

describeStore('the DynamoDB store', async () => {
  const { endpoint } = server;
  const table = `conformance-${++tables}`;
  const raw = new RawDynamo(endpoint, table);
  const opened: DynamoStore[] = [];
  return {
    open() {
      const store = DynamoStore.connect({ table, endpoint, clock: systemClock, random: systemRandom });
      opened.push(store);
      return store;
    },
    editContext: (ref, changes) => raw.editContext(ref, changes),
    deleteContext: (ref) => raw.deleteContext(ref),
    dropFeedEntry: (number) => raw.delete('feed', feedSortKey(number)),
    dropFeedHead: () => raw.delete('feed', 'head'),
    dropIdentity: () => raw.delete('meta', 'identity'),
    dropTable: () => raw.dropTable(),
    async [Symbol.asyncDispose]() {
      for (const store of opened) await store[Symbol.asyncDispose]();
    },
  };
});
