import { PgDialect } from 'drizzle-orm/pg-core';
import type postgres from 'postgres';
import { Agent, request } from 'undici';
import { settleBounded } from '../../../contexts/base/bounded.ts';
import type { Envelope } from '../../../contexts/envelope.ts';
import { kindNames } from '../../../contexts/kinds/index.ts';
import type { Store } from '../../../contexts/store.ts';
import { contextPartition } from '../../../contexts/stores/dynamodb-items.ts';
import { agentKeyBuilder } from '../../../hub/db/builders/agent-key.ts';
import { clusterBuilder } from '../../../hub/db/builders/cluster.ts';
import { heartbeatBuilder } from '../../../hub/db/builders/heartbeat.ts';
import { tenantBuilder } from '../../../hub/db/builders/tenant.ts';
import type { RigStore } from './rig.ts';

type Place = Pick<RigStore, 'endpoint' | 'table'>;

/** The loops that what is measured cannot beat: the same bytes over the same wires, and nothing done with them. */

const derivations = {
  tenant: tenantBuilder.derive,
  cluster: clusterBuilder.derive,
  'agent-key': agentKeyBuilder.derive,
  heartbeat: heartbeatBuilder.derive,
};

/** Streams the rows that a sweep of the region reads, one statement a kind. Returns how many there are. */
export async function streamRows(sql: postgres.Sql, region: string): Promise<number> {
  let rows = 0;
  for (const kind of kindNames) {
    const derivation = new PgDialect().sqlToQuery(derivations[kind](region));
    const text = `select d.*, h.revision from (${derivation.sql}) d join heads h on h.kind = '${kind}' and h.key = d."key" order by d."key"`;
    for await (const page of sql.unsafe(text, derivation.params as never).cursor(1000)) rows += page.length;
  }
  return rows;
}

/**
 * Pages all contexts of a table, every partition in its own order and all of them side by side, in pages as long as
 * the store gives. Returns how many items there are.
 */
export async function pageItems({ endpoint, table }: Place, shards: number): Promise<number> {
  const agent = new Agent({ connections: shards });
  let items = 0;
  const page = async (pk: string): Promise<void> => {
    let startAt: unknown;
    do {
      const { body } = await request(endpoint, {
        method: 'POST',
        headers: headersOf('Query'),
        dispatcher: agent,
        body: JSON.stringify({
          TableName: table,
          KeyConditionExpression: 'pk = :pk',
          ExpressionAttributeValues: { ':pk': { S: pk } },
          ConsistentRead: true,
          ...(startAt ? { ExclusiveStartKey: startAt } : {}),
        }),
      });
      const answer = (await body.json()) as { Items: unknown[]; LastEvaluatedKey?: unknown };
      items += answer.Items.length;
      startAt = answer.LastEvaluatedKey;
    } while (startAt);
  };
  for (const kind of kindNames)
    await Promise.all(Array.from({ length: shards }, (_, shard) => page(contextPartition(kind, shard))));
  await agent.close();
  return items;
}

/** Puts the envelopes, so many at a time, each on the condition that nothing newer is there. */
export async function putAll(
  store: Store,
  envelopes: readonly Envelope[],
  concurrency: number,
): Promise<void> {
  const results = await settleBounded(envelopes, concurrency, (envelope) => store.put(envelope));
  const failed = results.find((result) => result.status === 'rejected' || result.value !== 'written');
  if (failed) throw new Error(`a put of the bare loop did not write: ${JSON.stringify(failed)}`);
}

/**
 * Fills an empty table in batches without conditions, 25 items each: only right where nobody else writes, and only
 * to get to the state that a seeded region is in sooner than by seeding it.
 */
export async function bulkFill(
  { endpoint, table }: Place,
  batches: AsyncIterable<readonly object[]>,
): Promise<number> {
  const agent = new Agent({ connections: 4 });
  let written = 0;
  const write = async (items: readonly object[]) => {
    let requests: unknown[] = items.map((Item) => ({ PutRequest: { Item } }));
    written += items.length;
    while (requests.length > 0) {
      const { statusCode, body } = await request(endpoint, {
        method: 'POST',
        headers: headersOf('BatchWriteItem'),
        dispatcher: agent,
        body: JSON.stringify({ RequestItems: { [table]: requests } }),
      });
      const answer = (await body.json()) as { UnprocessedItems?: Record<string, unknown[]> };
      if (statusCode !== 200) throw new Error(JSON.stringify(answer));
      requests = answer.UnprocessedItems?.[table] ?? [];
    }
  };
  const next = batches[Symbol.asyncIterator]();
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let batch = await next.next(); !batch.done; batch = await next.next()) await write(batch.value);
    }),
  );
  await agent.close();
  return written;
}

function headersOf(operation: string): Record<string, string> {
  return {
    'content-type': 'application/x-amz-json-1.0',
    'x-amz-target': `DynamoDB_20120810.${operation}`,
    'x-amz-date': '20300101T000000Z',
    authorization:
      'AWS4-HMAC-SHA256 Credential=local/20300101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0',
  };
}
