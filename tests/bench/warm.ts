import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import type { Envelope } from '../../contexts/envelope.ts';
import { newSecret } from '../../contexts/secrets.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { contextItem } from '../../contexts/stores/dynamodb-items.ts';
import { clusterContext, type Demo, keyContext, owner, tenantContext } from '../spoke/support/contexts.ts';
import { GatewayProcess } from '../spoke/support/gateway-process.ts';
import { core } from './load.ts';
import { count, during, line } from './support/printing.ts';
import { bulkFill, pageItems } from './support/raw-loops.ts';
import { startStoreProcess } from './support/store-process.ts';
import { duration } from './support/waiting.ts';

const shards = 16;
const perCluster = 20;
const perTenant = 2_000;

/**
 * `--warm all`: a gateway without a snapshot, from the start of its process until it holds a whole region and is ready,
 * beside paging the same table and doing nothing with it.
 */
export async function warm({ contexts, rounds }: { contexts: number; rounds: number }): Promise<void> {
  const keys = Math.round(contexts / (1 + 1 / perCluster + 1 / perTenant));
  await using storeProcess = await startStoreProcess(core);
  const { endpoint } = storeProcess;
  const table = 'spokecast-bench-warm';
  await using store = DynamoStore.connect({ table, endpoint, clock: systemClock, random: systemRandom });
  const { incarnation } = await store.initialise(owner, { shards, newIncarnation: 'bench' });
  let last: Demo | undefined;
  async function* batches() {
    let batch: object[] = [];
    for (const { demo, envelopes } of region(keys)) {
      last = demo;
      for (const envelope of envelopes) batch.push(contextItem(envelope, shards));
      if (batch.length < 23) continue; // of the 25 that a batch may have; a key may bring two others
      yield batch;
      batch = [];
    }
    yield batch;
  }
  const filled = await during('filling the store', () => bulkFill({ endpoint, table }, batches()));
  await store.setWhole(incarnation, true);
  line('contexts', count(filled));
  for (let round = 0; round < rounds; round++) {
    let paged = 0;
    const rawMs = await duration(async () => {
      paged = await pageItems({ endpoint, table }, shards);
    });
    if (paged !== filled) throw new Error(`the bare loop found ${paged} of ${filled}`);
    await using gateway = await GatewayProcess.start({ endpoint, table, args: ['--warm', 'all'] });
    const { tookMs } = await gateway.ready();
    if ((await gateway.status(last!.secret)) !== 200) throw new Error('a key of the region is refused');
    const readMs = Number(/"durationMs":(\d+),"msg":"the region is read/.exec(gateway.output)?.[1]);
    line(
      `ready after ${(tookMs / 1000).toFixed(2)} s, of which the region ${(readMs / 1000).toFixed(2)} s`,
      `the bare loop ${(rawMs / 1000).toFixed(2)} s: ${(rawMs / readMs).toFixed(2)} of its speed`,
    );
  }
}

function* region(keys: number): Generator<{ demo: Demo; envelopes: Envelope[] }> {
  const digits = (n: number) => String(n).padStart(26, '0');
  for (let n = 0; n < keys; n++) {
    const keyId = `aki_${digits(n)}`;
    const demo = {
      tenantId: `ten_${digits(Math.floor(n / perTenant))}`,
      clusterId: `vci_${digits(Math.floor(n / perCluster))}`,
      ...{ keyId, secret: newSecret('agentKey', keyId, systemRandom) },
    };
    const envelopes = [keyContext(demo, n + 1)];
    if (n % perCluster === 0) envelopes.push(clusterContext(demo, n + 1));
    if (n % perTenant === 0) envelopes.push(tenantContext(demo, n + 1));
    yield { demo, envelopes };
  }
}
