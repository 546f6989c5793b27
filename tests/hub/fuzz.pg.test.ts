import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type FuzzRequest,
  type Gathered,
  type Operation,
  operations,
  plainRequests,
  requestsFor,
} from './fuzz/requests.ts';
import { canary, createWorld, type World } from './fuzz/world.ts';
import type { Client } from './support/client.ts';
import { document } from './support/contract.ts';

/**
 * Every operation of the document, asked for what its schemas allow and for what they do not, by everyone. Nothing may
 * answer with a 5xx, or late, or otherwise than the document says (every hub of the tests is held against it), and
 * nothing of another tenant's may be in an answer, unless it stood in the request.
 *
 * `SPOKECAST_FUZZ_RUNS=1000` asks longer; `SPOKECAST_FUZZ_SEED=7` asks other things, `random` ever others.
 */
const runs = Number(process.env.SPOKECAST_FUZZ_RUNS ?? 10);
const wanted = process.env.SPOKECAST_FUZZ_SEED ?? '1';
const seed = wanted === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(wanted);
const answerMsMax = 20_000;
const timeoutMs = 60_000 + runs * 1_000;

let world: World;
const gathered: Gathered = { cursors: [], etags: [] };
let before: unknown;
beforeAll(async () => {
  world = await createWorld();
  before = await world.theirs();
});
afterAll(() => world[Symbol.asyncDispose]());

describe(`every operation, with seed ${seed}`, () => {
  test('the canary is there for those who may see it', async () => {
    const { owner } = world.hub;
    for (const list of ['tenants', 'clusters', 'agent-keys', 'application-keys', 'regions', 'audit-log'])
      expect(JSON.stringify((await owner.get(`/v1/${list}?limit=200`)).body), list).toContain(canary);
  });

  test.each(operations)("for a tenant's keys: $name", { timeout: timeoutMs }, (operation) =>
    fuzz(operation, world.tenant, world.secrets),
  );

  test('nothing of the other tenant has changed', async () => {
    expect(await world.theirs()).toEqual(before);
  });

  test.each(operations)("for the platform's keys: $name", { timeout: timeoutMs }, (operation) =>
    fuzz(operation, world.platform, []),
  );
});

async function fuzz(
  operation: Operation,
  clients: Record<string, Client>,
  secrets: readonly string[],
): Promise<void> {
  const sources = { schemas: document.components!.schemas as Record<string, object>, ids: world.ids };
  const requests = requestsFor(operation, sources, gathered);
  const who = fc.constantFrom(...Object.keys(clients));
  const plain = operation.method === 'GET' ? plainRequests(operation, sources) : [];
  const examples = Object.keys(clients).flatMap((name) =>
    plain.map((request): [string, FuzzRequest] => [name, request]),
  );
  await fc.assert(
    fc.asyncProperty(who, requests, async (name, request) => {
      const { status, body, headers } = await answerTo(clients[name]!, operation, request);
      const answer = `${status} ${JSON.stringify(body)} ${JSON.stringify([...headers])}`;
      if (status >= 500) throw new Error(`it answered ${answer}`);
      const asked = `${request.path}${decodeURIComponent(request.query)}${request.text}${JSON.stringify(request.headers)}`;
      const leaked = secrets.filter((secret) => answer.includes(secret) && !asked.includes(secret));
      if (leaked.length > 0) throw new Error(`${leaked.join(', ')} of another tenant is in ${answer}`);
      gather(body, headers);
    }),
    { seed, examples, numRuns: examples.length + runs },
  );
}

function answerTo(client: Client, { method }: Operation, { path, query, headers, text }: FuzzRequest) {
  const signal = AbortSignal.timeout(answerMsMax);
  const content = method === 'GET' || text === undefined ? {} : { text };
  return client.send(method, path + query, { ...content, headers, signal });
}

/** What was made is worked with by those that come after, and cursors and tags are sent back, wherever they fit. */
function gather(body: { id?: unknown; nextCursor?: unknown } | undefined, headers: Headers): void {
  const keep = (list: string[], value: unknown) => {
    if (typeof value === 'string' && list.length < 50 && !list.includes(value)) list.push(value);
  };
  keep(gathered.cursors, body?.nextCursor);
  keep(gathered.etags, headers.get('etag'));
  const made = world.ids[String(body?.id).slice(0, 3)];
  if (made) keep(made, body?.id);
}
