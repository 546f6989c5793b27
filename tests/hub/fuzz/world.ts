import postgres from 'postgres';
import type { Client } from '../support/client.ts';
import { startHub, type TestHub } from '../support/hub.ts';
import * as make from '../support/things.ts';

/** Stands in every text of the other tenant's, and in what only the platform may see. */
export const canary = 'canary-7f3a';

/** A hub with two tenants: one whose keys ask, and one of which they must never see a thing. */
export interface World extends AsyncDisposable {
  hub: TestHub;
  sql: postgres.Sql;
  platform: Record<string, Client>;
  tenant: Record<string, Client>;
  /** Ids by prefix, of both tenants, and of regions. */
  ids: Record<string, string[]>;
  /** What must not be in an answer to the asking tenant. */
  secrets: string[];
  /** Everything the other tenant has. */
  theirs(): Promise<unknown>;
}

export async function createWorld(): Promise<World> {
  const stack = new AsyncDisposableStack();
  const hub = stack.use(
    await startHub({
      environment: { SPOKECAST_FAILED_LOGINS_MAX: '100000', SPOKECAST_STORE_READ_TIMEOUT_MS: '50' },
    }),
  );
  const { owner } = hub;
  const sql = postgres(hub.databaseUrl, { max: 1 });
  stack.defer(() => sql.end());
  for (const id of ['north', 'south'])
    await owner.post('/v1/regions', {
      id,
      store: { endpoint: `http://127.0.0.1:1/${canary}`, table: `${canary}-${id}` },
    });

  const own = await tenantWith(hub, 'own', 'http://own.example');
  const theirs = await tenantWith(hub, canary, `http://${canary}.example`);
  const sweep = (await owner.post('/v1/sweeps', { region: 'north' })).body.id;
  const seeding = (await owner.post('/v1/seedings', { region: 'south' })).body.id;
  const entries = await sql`select id from audit_log where tenant_id = ${theirs.tenant}`;
  const key = async (role: string, tenantId: string | null) =>
    hub.as((await make.applicationKey(owner, { role, tenantId })).secret);

  return {
    ...{ hub, sql },
    platform: { owner: await key('owner', null), viewer: await key('viewer', null) },
    tenant: {
      owner: await key('owner', own.tenant),
      admin: await key('admin', own.tenant),
      viewer: await key('viewer', own.tenant),
    },
    ids: {
      ten: [own.tenant, theirs.tenant],
      vci: [own.cluster, theirs.cluster],
      aki: [own.agentKey, theirs.agentKey],
      apk: [own.applicationKey, theirs.applicationKey],
      fen: [own.fence, theirs.fence],
      swp: [sweep],
      sdg: [seeding],
      aud: [],
      region: ['north', 'south'],
    },
    secrets: [canary, ...Object.values(theirs), ...entries.map(({ id }) => id as string)],
    theirs: () => everythingOf(sql, theirs.tenant),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function tenantWith({ owner, as }: TestHub, name: string, upstreamUrl: string) {
  const tenant = await make.tenant(owner, `${name} tenant`);
  const text = { settings: { note: name }, name: `${name} cluster`, upstreamUrl };
  const cluster = await make.cluster(owner, tenant, ['north', 'south'], text);
  const { id: agentKey } = await make.agentKey(owner, cluster, {
    name: `${name} agent`,
    permissions: [`${name}`],
  });
  const { id: applicationKey, secret } = (
    await owner.post('/v1/application-keys', { name: `${name} app`, role: 'admin', tenantId: tenant })
  ).body;
  // By a key of the tenant's own, so that the fence is its own.
  const settings = { note: `${name} again` };
  const made = await as(secret).patch(`/v1/clusters/${cluster}`, { settings });
  return { tenant, cluster, agentKey, applicationKey, fence: made.headers.get('spokecast-fence')! };
}

async function everythingOf(sql: postgres.Sql, tenant: string): Promise<unknown> {
  return [
    await sql`select * from tenants where id = ${tenant}`,
    await sql`select * from clusters where tenant_id = ${tenant} order by id`,
    await sql`select * from placements where cluster_id in (select id from clusters where tenant_id = ${tenant}) order by 1, 2`,
    await sql`select * from agent_keys where cluster_id in (select id from clusters where tenant_id = ${tenant}) order by id`,
    await sql`select id, name, role, status, verifier from application_keys where tenant_id = ${tenant} order by id`,
    await sql`select * from audit_log where tenant_id = ${tenant} order by id`,
  ];
}
