import type { StoredFields } from '../../contexts/envelope.ts';
import type { ContextRef } from '../../contexts/kinds/index.ts';
import { contextKey } from '../../contexts/stores/dynamodb-items.ts';

/** An item as DynamoDB's JSON has it: `{ pk: { S: 'feed' }, ... }`. */
export type RawItem = Record<string, Record<string, unknown>>;

/**
 * The table without the store: what a person with a console does behind the publisher's back. Speaks to dynalite
 * only, which wants a signature but does not check it.
 */
export class RawDynamo {
  readonly endpoint: string;
  readonly table: string;

  constructor(endpoint: string, table: string) {
    this.endpoint = endpoint;
    this.table = table;
  }

  /** One operation of DynamoDB's API. @throws Error with the answer's text where it is not a 200. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of any operation
  async call(operation: string, input: object = {}): Promise<any> {
    const response = await fetch(this.endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `DynamoDB_20120810.${operation}`,
        'x-amz-date': '20300101T000000Z',
        authorization:
          'AWS4-HMAC-SHA256 Credential=local/20300101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0',
      },
      body: JSON.stringify({ TableName: this.table, ...input }),
    });
    const answer = await response.text();
    if (!response.ok) throw new Error(`${operation}: ${response.status} ${answer}`);
    return JSON.parse(answer);
  }

  async get(pk: string, sk: string): Promise<RawItem | undefined> {
    return (await this.call('GetItem', { Key: key(pk, sk), ConsistentRead: true })).Item;
  }

  async put(item: RawItem): Promise<void> {
    await this.call('PutItem', { Item: item });
  }

  async delete(pk: string, sk: string): Promise<void> {
    await this.call('DeleteItem', { Key: key(pk, sk) });
  }

  /** Every item of the table, in no order. */
  async all(): Promise<RawItem[]> {
    const items: RawItem[] = [];
    let startAt: unknown;
    do {
      const page = await this.call('Scan', startAt ? { ExclusiveStartKey: startAt } : {});
      items.push(...page.Items);
      startAt = page.LastEvaluatedKey;
    } while (startAt);
    return items;
  }

  async dropTable(): Promise<void> {
    await this.call('DeleteTable');
    for (let attempt = 0; attempt < 1_000; attempt++) {
      const gone = await this.call('DescribeTable').then(
        () => false,
        () => true,
      );
      if (gone) return;
    }
    throw new Error('the table does not go away');
  }

  async context(ref: ContextRef): Promise<RawItem | undefined> {
    const { pk, sk } = contextKey(ref, await this.#shards());
    return this.get(pk, sk);
  }

  /**
   * Changes parts of a context, or makes one of nothing. A member given as `undefined` removes the attribute; one
   * given as something that is not text is stored as the number or flag that it is.
   */
  async editContext(ref: ContextRef, changes: Partial<StoredFields>): Promise<void> {
    const { pk, sk } = contextKey(ref, await this.#shards());
    const item: RawItem = { ...(await this.get(pk, sk)), ...key(pk, sk) };
    for (const [name, value] of Object.entries(changes)) {
      const attribute = attributeOf[name as keyof typeof attributeOf];
      if (!attribute) continue;
      if (value === undefined || value === null) delete item[attribute];
      else item[attribute] = typeof value === 'number' ? { N: String(value) } : { S: String(value) };
    }
    await this.put(item);
  }

  async deleteContext(ref: ContextRef): Promise<void> {
    const { pk, sk } = contextKey(ref, await this.#shards());
    await this.delete(pk, sk);
  }

  async #shards(): Promise<number> {
    const identity = await this.get('meta', 'identity');
    return Number(identity?.shards?.N);
  }
}

const attributeOf = { version: 'v', hash: 'h', bodyText: 'b', builtAtMs: 't' } as const;

function key(pk: string, sk: string): RawItem {
  return { pk: { S: pk }, sk: { S: sk } };
}
