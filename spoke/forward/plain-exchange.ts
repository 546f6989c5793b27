import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Agent, type Dispatcher } from 'undici';
import { type Attempt, beginAnswer, type ExchangeTimes, endAnswer, inform } from './attempt.ts';

export type PlainAgent = Agent;

/** Connections for {@link exchangePlainly}: kept alive, and one request at a time on each. */
export function createPlainAgent(times: ExchangeTimes, connectionsMax: number): PlainAgent {
  return new Agent({
    connect: { timeout: times.connectTimeoutMs },
    headersTimeout: times.headersTimeoutMs,
    bodyTimeout: times.idleTimeoutMs,
    connections: connectionsMax,
    // A pipelined request waits for a stranger's; and an upstream speaks what its URL says.
    pipelining: 1,
    allowH2: false,
  });
}

/**
 * The exchange of nearly every request, with undici. What it cannot do (upgrades, trailers of a request) is in
 * special-exchange.ts. Rejects with undici's or the socket's error; `failureOf` tells what it means.
 */
export async function exchangePlainly(agent: PlainAgent, attempt: Attempt): Promise<void> {
  const { incoming, outgoing, upstream } = attempt;
  const response = await agent.request({
    origin: upstream.origin,
    path: attempt.path,
    method: incoming.method as Dispatcher.HttpMethod,
    headers: attempt.headers as string[],
    // Any async iterable will do; the types do not say so.
    body: (attempt.body as unknown as Readable | undefined) ?? null,
    responseHeaders: 'raw',
    signal: attempt.signal,
    onInfo: ({ statusCode, headers }) => inform(outgoing, statusCode, rawList(headers)),
  });
  beginAnswer(attempt, response.statusCode, response.statusText, rawList(response.headers));
  await pipeline(response.body, outgoing, { end: false });
  await endAnswer(outgoing, flattened(response.trailers));
}

/** undici types raw headers as a record; with `responseHeaders: 'raw'` they are a list. */
function rawList(headers: unknown): string[] {
  return headers as string[];
}

function flattened(trailers: Record<string, string | string[] | undefined>): string[] {
  const raw: string[] = [];
  for (const [name, value] of Object.entries(trailers)) {
    for (const one of Array.isArray(value) ? value : [value ?? '']) raw.push(name, one);
  }
  return raw;
}
