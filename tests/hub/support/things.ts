import type { Client } from './client.ts';

/** Things to work with, made through the API. Names are unique within a test file. */

let count = 0;

export async function region(owner: Client, id = `region-${++count}`): Promise<string> {
  const answer = await owner.post('/v1/regions', {
    id,
    store: { endpoint: `http://127.0.0.1:1/${id}`, table: `spokecast-test-${id}` },
  });
  return expectStatus(answer, 201).id;
}

export async function tenant(owner: Client, name = `tenant ${++count}`): Promise<string> {
  return expectStatus(await owner.post('/v1/tenants', { name }), 201).id;
}

export async function cluster(
  client: Client,
  tenantId: string,
  regions: string[],
  more: object = {},
): Promise<string> {
  const placements = regions.map((region) => ({ region }));
  const body = {
    tenantId,
    name: `cluster ${++count}`,
    upstreamUrl: 'http://upstream.example:8080',
    placements,
    ...more,
  };
  return expectStatus(await client.post('/v1/clusters', body), 201).id;
}

export async function agentKey(
  client: Client,
  clusterId: string,
  more: object = {},
): Promise<{ id: string; secret: string }> {
  return expectStatus(
    await client.post('/v1/agent-keys', { clusterId, name: `key ${++count}`, ...more }),
    201,
  );
}

export async function applicationKey(
  owner: Client,
  more: { role: string; tenantId?: string | null; expiresAt?: string },
): Promise<{ id: string; secret: string }> {
  return expectStatus(await owner.post('/v1/application-keys', { name: `app ${++count}`, ...more }), 201);
}

/** Somebody who is invited; `link` is where they accept. */
export async function user(
  client: Client,
  memberships: { tenantId?: string | null; role: string }[],
  email = `person-${++count}@example.com`,
): Promise<{ id: string; email: string; link: string }> {
  const { id, secret } = expectStatus(await client.post('/v1/users', { email, memberships }), 201);
  return { id, email, link: secret };
}

function expectStatus<Body>(answer: { status: number; body: Body }, status: number): Body {
  if (answer.status !== status) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}
