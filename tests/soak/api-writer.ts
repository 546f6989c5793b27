import { systemClock as clock } from '../../contexts/base/clock.ts';
import { type Answer, ask } from '../../infra/local/http.ts';
import type { WriterOptions } from './sql-writer.ts';

export interface ApiWriterOptions extends WriterOptions {
  onMistake(what: string): void;
  /** The tenant this writer has made and will delete again. */
  visitor: { tenantId?: string; hasCluster?: boolean };
}

interface Request {
  method: 'POST' | 'PATCH' | 'DELETE';
  path: string;
  body?: unknown;
  what: string;
  /** Told of an answer that created something. */
  onCreated?(body: Record<string, unknown>): void;
}

/** An administrator at the API, one request after the other; while the hub is gone, the answers are missing. */
export async function writeByApi(
  hub: { url: string; applicationKey: string },
  options: ApiWriterOptions,
): Promise<void> {
  const { dice, tally, signal, name, onMistake } = options;
  while (!signal.aborted) {
    const { method, path, body, what, onCreated } = aRequest(options);
    const answer = await ask(`${hub.url}${path}`, { method, body, bearer: hub.applicationKey }).catch(
      () => undefined,
    );
    const how = outcomeOf(answer);
    tally.did(`${name} ${answer?.status ?? 'unanswered'}`, `${what} (${method} ${path})`);
    tally.count('change', how === 'done' ? what : `api: ${how}`);
    if (answer?.status === 201) onCreated?.(answer.body as Record<string, unknown>);
    if (how === 'mistaken')
      onMistake(`${method} ${path} was answered ${answer?.status}: ${JSON.stringify(answer?.body)}`);
    if (how === 'unanswered') await clock.sleep(200, signal);
    await clock.sleep(dice.below(400), signal);
  }
}

/** 4xx are in order: what is asked for may be gone by now. So is 503 while the database is. No other failure is. */
function outcomeOf(
  answer: Answer | undefined,
): 'done' | 'refused' | 'unavailable' | 'unanswered' | 'mistaken' {
  if (answer === undefined) return 'unanswered';
  if (answer.status < 300) return 'done';
  if ([404, 409, 412, 422].includes(answer.status)) return 'refused';
  return answer.status === 503 ? 'unavailable' : 'mistaken';
}

function aRequest(options: ApiWriterOptions): Request {
  const { platform, dice } = options;
  const { keyId } = dice.of(platform.credentials);
  const cluster = dice.of(platform.clusters);
  const { id: tenantId } = dice.of(platform.tenants);
  const permissions = [platform.unique('n')];
  const roll = dice.below(100);
  if (roll < 16) {
    const status = dice.of(['active', 'active', 'active', 'disabled']);
    return {
      method: 'PATCH',
      path: `/v1/agent-keys/${keyId}`,
      body: dice.chance(0.7) ? { status, permissions } : { status },
      what: `api: key ${status === 'active' ? 'enabled' : 'disabled'}`,
    };
  }
  if (roll < 21) return { method: 'DELETE', path: `/v1/agent-keys/${keyId}`, what: 'api: key deleted' };
  if (roll < 40 && !platform.isFull) {
    return {
      method: 'POST',
      path: '/v1/agent-keys',
      body: { clusterId: cluster.id, name: platform.unique('key'), permissions },
      what: 'api: key made',
      onCreated: ({ id, secret }) => platform.learn(secret as string, id as string, cluster),
    };
  }
  if (roll < 70) {
    const status = dice.of(['active', 'active', 'active', 'disabled']);
    const body = { name: platform.unique('cluster'), status };
    return { method: 'PATCH', path: `/v1/clusters/${cluster.id}`, body, what: `api: cluster ${status}` };
  }
  if (roll < 82) {
    const moving = dice.of(platform.clusters.filter(({ moves }) => moves));
    const one = dice.of(platform.regions);
    const regions = platform.regions.filter((region) => region === one || dice.chance(0.5));
    return {
      method: 'PATCH',
      path: `/v1/clusters/${moving.id}`,
      body: { placements: regions.map((region) => ({ region })) },
      what: 'api: cluster moved',
    };
  }
  if (roll < 92) {
    const status = dice.of(['active', 'active', 'active', 'suspended']);
    const body = { name: platform.unique('tenant'), status };
    return { method: 'PATCH', path: `/v1/tenants/${tenantId}`, body, what: `api: tenant ${status}` };
  }
  if (roll < 96) return aVisitor(options);
  if (roll < 98)
    return {
      method: 'POST',
      path: `/v1/contexts/agent-key/${keyId}/refresh`,
      what: 'api: refresh asked for',
    };
  return {
    method: 'POST',
    path: '/v1/sweeps',
    body: { region: dice.of(platform.regions) },
    what: 'api: sweep asked for',
  };
}

/** A tenant that is made, given a cluster, and deleted with it. */
function aVisitor({ platform, visitor }: ApiWriterOptions): Request {
  const { tenantId, hasCluster } = visitor;
  if (tenantId === undefined) {
    return {
      method: 'POST',
      path: '/v1/tenants',
      body: { name: platform.unique('visitor') },
      what: 'api: tenant made',
      onCreated: ({ id }) => {
        visitor.tenantId = id as string;
      },
    };
  }
  if (!hasCluster) {
    const placements = platform.regions.map((region) => ({ region }));
    return {
      method: 'POST',
      path: '/v1/clusters',
      body: { tenantId, name: platform.unique('cluster'), upstreamUrl: 'http://127.0.0.1:9/', placements },
      what: 'api: cluster made',
      onCreated: () => {
        visitor.hasCluster = true;
      },
    };
  }
  visitor.tenantId = undefined;
  visitor.hasCluster = false;
  return {
    method: 'DELETE',
    path: `/v1/tenants/${tenantId}?cascade=true`,
    what: 'api: tenant deleted with its cluster',
  };
}
