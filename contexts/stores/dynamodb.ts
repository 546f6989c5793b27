import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import {
  type AttributeValue,
  BatchGetItemCommand,
  BatchWriteItemCommand,
  CreateTableCommand,
  DeleteItemCommand,
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandInput,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { fromEnv } from '@aws-sdk/credential-provider-env';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { storeErrorOf } from './dynamodb-errors.ts';
import { type QueryAnswer, takeApart } from './dynamodb-pieces.ts';
import { PollingShortcut } from './dynamodb-polls.ts';
import { TableStore } from './dynamodb-store.ts';
import type { Condition, DynamoTable, Item, Key, Query, QueryPage, WriteOutcome } from './dynamodb-table.ts';

/** How to reach one region's table. */
export interface DynamoOptions {
  table: string;
  /** Absent for AWS's own endpoint of `awsRegion`; given for ScyllaDB Alternator, dynalite, a VPC endpoint. */
  endpoint?: string | undefined;
  /** Absent: the AWS configuration of the process; with an endpoint that is not AWS's, any name will do. */
  awsRegion?: string | undefined;
  /** Absent: the AWS configuration of the process. */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string } | undefined;
  /** Most time until an answer begins, and most time between two pieces of it. Default 2000. */
  requestTimeoutMs?: number | undefined;
  /** Most time until a connection stands. Default 1000. */
  connectionTimeoutMs?: number | undefined;
  /** Connections at the same time; requests beyond wait for one. Default 64. */
  maxSockets?: number | undefined;
  /** Attempts the SDK makes at a request that failed on the way or was throttled. Default 2. */
  attemptsMax?: number | undefined;
  /** Items that a scan asks for at a time, of all partitions together. Default 20,000. */
  scanPageItems?: number | undefined;
  clock: Clock;
  random: Random;
}

/** The store of a region: a DynamoDB table, or one of anything that speaks its protocol. */
export class DynamoStore extends TableStore {
  /** Opens nothing yet: the first operation connects. */
  static connect(options: DynamoOptions): DynamoStore {
    return new DynamoStore(new SdkTable(options), options);
  }
}

/** {@link DynamoTable} over the AWS SDK. Only this file and dynamodb-polls.ts know it. */
class SdkTable implements DynamoTable {
  readonly #client: DynamoDBClient;
  readonly #name: { TableName: string };
  readonly #shortcut: PollingShortcut;

  constructor(options: DynamoOptions) {
    const { endpoint, requestTimeoutMs = 2_000, connectionTimeoutMs = 1_000, maxSockets = 64 } = options;
    const agent = { keepAlive: true, maxSockets };
    const elsewhere = endpoint !== undefined && !isAwsEndpoint(endpoint);
    const region = options.awsRegion ?? (elsewhere ? 'elsewhere-1' : undefined);
    const credentials = options.credentials ?? (elsewhere ? environmentOrLocal : undefined);
    this.#name = { TableName: options.table };
    this.#client = new DynamoDBClient({
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      ...(credentials === undefined ? {} : { credentials }),
      maxAttempts: options.attemptsMax ?? 2,
      requestHandler: new NodeHttpHandler({
        httpAgent: new HttpAgent(agent),
        httpsAgent: new HttpsAgent(agent),
        connectionTimeout: connectionTimeoutMs,
        requestTimeout: requestTimeoutMs,
        throwOnRequestTimeout: true,
        socketTimeout: requestTimeoutMs,
        logger: silent, // by default it writes to the console
      }),
    });
    // It copies every answer, item by item, for a logger that drops it: a tenth of the time of a sweep.
    this.#client.middlewareStack.remove('loggerMiddleware');
    takeAnswersAsTheyAre(this.#client);
    const { clock } = options;
    this.#shortcut = new PollingShortcut(this.#client, { clock, requestTimeoutMs, connectionTimeoutMs });
  }

  async describe(): Promise<'active' | 'changing' | 'absent'> {
    try {
      const { Table } = await this.#client.send(new DescribeTableCommand(this.#name));
      return Table?.TableStatus === 'ACTIVE' ? 'active' : 'changing';
    } catch (error) {
      if (nameOf(error) === 'ResourceNotFoundException') return 'absent';
      throw storeErrorOf('DescribeTable', error);
    }
  }

  async create(): Promise<void> {
    const command = new CreateTableCommand({
      ...this.#name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'S' },
      ],
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
    });
    try {
      await this.#client.send(command);
    } catch (error) {
      if (nameOf(error) !== 'ResourceInUseException') throw storeErrorOf('CreateTable', error);
    }
  }

  async get(key: Key): Promise<Item | undefined> {
    const command = new GetItemCommand({ ...this.#name, Key: sdkKey(key), ConsistentRead: true });
    const answer = await this.#client.send(command).catch(rethrow('GetItem'));
    return answer.Item as Item | undefined;
  }

  async getBatch(keys: readonly Key[]): Promise<{ items: Item[]; unprocessed: Key[] }> {
    const { TableName } = this.#name;
    const request = { [TableName]: { Keys: keys.map(sdkKey), ConsistentRead: true } };
    const command = new BatchGetItemCommand({ RequestItems: request });
    const answer = await this.#client.send(command).catch(rethrow('BatchGetItem'));
    const unprocessed = answer.UnprocessedKeys?.[TableName]?.Keys ?? [];
    return { items: (answer.Responses?.[TableName] ?? []) as Item[], unprocessed: unprocessed.map(ownKey) };
  }

  async put(item: Item, condition?: Condition): Promise<WriteOutcome> {
    const command = new PutItemCommand({
      ...this.#name,
      Item: item as Record<string, AttributeValue>,
      ...sdkCondition(condition),
    });
    return this.#client.send(command).then(() => ({ outcome: 'done' }) as const, refusedOr('PutItem'));
  }

  async update(key: Key, change: string, condition: Condition): Promise<WriteOutcome> {
    const command = new UpdateItemCommand({
      ...this.#name,
      Key: sdkKey(key),
      UpdateExpression: change,
      ReturnValues: 'ALL_NEW',
      ...sdkCondition(condition),
    });
    const done = (answer: { Attributes?: unknown }) =>
      ({ outcome: 'done', after: answer.Attributes as Item }) as const;
    return this.#client.send(command).then(done, refusedOr('UpdateItem'));
  }

  async remove(key: Key, condition: Condition): Promise<WriteOutcome> {
    const command = new DeleteItemCommand({ ...this.#name, Key: sdkKey(key), ...sdkCondition(condition) });
    return this.#client.send(command).then(() => ({ outcome: 'done' }) as const, refusedOr('DeleteItem'));
  }

  async removeBatch(keys: readonly Key[]): Promise<Key[]> {
    const { TableName } = this.#name;
    const requests = keys.map((key) => ({ DeleteRequest: { Key: sdkKey(key) } }));
    const command = new BatchWriteItemCommand({ RequestItems: { [TableName]: requests } });
    const answer = await this.#client.send(command).catch(rethrow('BatchWriteItem'));
    const unprocessed = answer.UnprocessedItems?.[TableName] ?? [];
    return unprocessed.map((request) => ownKey(request.DeleteRequest?.Key ?? {}));
  }

  async query(query: Query): Promise<{ items: Item[]; next: Key | undefined }> {
    const { pieces, next } = await this.queryInPieces(query);
    return { items: [...pieces].flat(), next };
  }

  async queryInPieces(query: Query): Promise<QueryPage> {
    const { pk, after, upTo, before, limit, descending, startAt, polled } = query;
    const values: Record<string, AttributeValue> = { ':pk': { S: pk } };
    let range = '';
    if (after !== undefined && upTo !== undefined) {
      // A key condition takes one comparison of `sk`: this one lets `after` itself through, dropped below.
      range = ' AND sk BETWEEN :after AND :upTo';
    } else if (after !== undefined) range = ' AND sk > :after';
    else if (upTo !== undefined) range = ' AND sk <= :upTo';
    else if (before !== undefined) range = ' AND sk < :before';
    for (const [name, bound] of Object.entries({ after, upTo, before })) {
      if (bound !== undefined) values[`:${name}`] = { S: bound };
    }
    const input: QueryCommandInput = {
      ...this.#name,
      KeyConditionExpression: `pk = :pk${range}`,
      ExpressionAttributeValues: values,
      ConsistentRead: true,
      Limit: limit,
      ScanIndexForward: !descending,
      ...(startAt ? { ExclusiveStartKey: sdkKey(startAt) } : {}),
    };
    // Of strings, numbers and booleans: as JSON they are what the SDK would make of them.
    const short = polled && (await this.#shortcut.query(JSON.stringify(input)).catch(rethrow('Query')));
    const { pieces, LastEvaluatedKey } = short
      ? { pieces: [short.Items ?? []], LastEvaluatedKey: short.LastEvaluatedKey }
      : ((await this.#client
          .send(new QueryCommand(input))
          .catch(rethrow('Query'))) as unknown as QueryAnswer);
    return {
      pieces: after === undefined ? pieces : without(after, pieces),
      next: LastEvaluatedKey && ownKey(LastEvaluatedKey as Record<string, AttributeValue>),
    };
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
    this.#shortcut[Symbol.dispose]();
  }
}

/**
 * What DynamoDB answers is already what this file hands out, but for values of types that the store never writes. The
 * SDK would copy all of it once more along a schema, value by value: another tenth of the time of a sweep. Errors are
 * left to it. A page of a query is left as text until it is gone through.
 */
function takeAnswersAsTheyAre({ config }: DynamoDBClient): void {
  const protocol = config.protocol as AnswerReader; // said otherwise by as many types as it has versions
  const alongSchema = protocol.deserializeResponse.bind(protocol);
  protocol.deserializeResponse = async (operation, context, response) => {
    if (response.statusCode !== 200) return alongSchema(operation, context, response);
    const { buffer, byteOffset, length } = await context.streamCollector(response.body);
    const text = length === 0 ? '{}' : Buffer.from(buffer, byteOffset, length).toString();
    const answer = operation.name === 'Query' ? takeApart(text) : JSON.parse(text);
    return { ...answer, $metadata: { httpStatusCode: response.statusCode } };
  };
}

interface AnswerReader {
  deserializeResponse(
    operation: { name: string },
    context: { streamCollector(body: unknown): Promise<Uint8Array<ArrayBuffer>> },
    response: { statusCode: number; body: unknown },
  ): Promise<object>;
}

function* without(sk: string, pieces: Iterable<Item[]>): Generator<Item[]> {
  for (const items of pieces) yield items.filter((item) => item.sk?.S !== sk);
}

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

function isAwsEndpoint(endpoint: string): boolean {
  return /\.amazonaws\.com(\.cn)?$|\.api\.aws$/.test(URL.parse(endpoint)?.hostname ?? '');
}

/**
 * Credentials for an endpoint that is not AWS's: the two environment variables, or made-up ones, as such stores
 * often check none. Never AWS's long search, which ends at an address on the network that may not answer.
 */
async function environmentOrLocal(): Promise<{ accessKeyId: string; secretAccessKey: string }> {
  return fromEnv()().catch(() => ({ accessKeyId: 'local', secretAccessKey: 'local' }));
}

function sdkKey({ pk, sk }: Key): Record<string, AttributeValue> {
  return { pk: { S: pk }, sk: { S: sk } };
}

function ownKey(key: Record<string, AttributeValue>): Key {
  return { pk: key.pk?.S ?? '', sk: key.sk?.S ?? '' };
}

function sdkCondition(condition: Condition | undefined) {
  if (!condition) return {};
  const { expression, names, values } = condition;
  return {
    ConditionExpression: expression,
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
    ...(names ? { ExpressionAttributeNames: names } : {}),
    ...(values ? { ExpressionAttributeValues: values as Record<string, AttributeValue> } : {}),
  };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

function rethrow(operation: string): (error: unknown) => never {
  return (error) => {
    throw storeErrorOf(operation, error);
  };
}

function refusedOr(operation: string): (error: unknown) => WriteOutcome {
  return (error) => {
    if (nameOf(error) !== 'ConditionalCheckFailedException') throw storeErrorOf(operation, error);
    return { outcome: 'refused', found: (error as { Item?: Item }).Item };
  };
}
