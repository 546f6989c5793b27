import type postgres from 'postgres';
import { systemClock as clock } from '../../contexts/base/clock.ts';
import type { Dice } from '../simulation/dice.ts';
import type { Platform } from './platform.ts';
import type { Tally } from './tally.ts';

/**
 * A person at `psql`: transactions of one to three statements, with pauses in them, so that those of several such
 * people overlap. Some are given up at the end. What does not work (a lock that is held, a database that is gone) is
 * let go: the next one follows.
 */
export async function writeBySql(
  sql: postgres.Sql,
  { platform, dice, tally, signal, name }: WriterOptions,
): Promise<void> {
  while (!signal.aborted) {
    const what: string[] = [];
    try {
      await sql.begin(async (tx) => {
        for (let left = dice.of([1, 1, 1, 2, 3]); left > 0; left--) {
          what.push(await edit(tx, platform, dice));
          if (left > 1 || dice.chance(0.3)) await clock.sleep(dice.below(200));
        }
        if (dice.chance(0.08)) throw new GivenUp();
      });
      tally.did(`${name} committed`, what.join(' + '));
      for (const one of what) tally.count('change', one);
    } catch (error) {
      const how =
        error instanceof GivenUp ? 'rolled back' : `failed (${(error as { code?: string }).code ?? error})`;
      tally.did(`${name} ${how}`, what.join(' + '));
      tally.count('change', error instanceof GivenUp ? 'sql: rolled back' : 'sql: failed');
      if (!(error instanceof GivenUp)) await clock.sleep(100, signal);
    }
    await clock.sleep(dice.below(300), signal);
  }
}

export interface WriterOptions {
  platform: Platform;
  dice: Dice;
  tally: Tally;
  signal: AbortSignal;
  name: string;
}

class GivenUp extends Error {}

/** Returns what it did, in two words. */
async function edit(tx: postgres.TransactionSql, platform: Platform, dice: Dice): Promise<string> {
  const what = dice.below(100);
  if (what < 60) return editKey(tx, platform, dice);
  if (what < 78) return editCluster(tx, platform, dice);
  if (what < 92) return editPlacement(tx, platform, dice);
  return editTenant(tx, platform, dice);
}

async function editKey(tx: postgres.TransactionSql, platform: Platform, dice: Dice): Promise<string> {
  const { keyId, clusterId, verifier } = dice.of(platform.credentials);
  const permissions = [platform.unique('n')];
  switch (
    dice.of([
      'make',
      'make',
      'make',
      'make',
      'make',
      'touch',
      'touch',
      'disable',
      'delete',
      'rotate',
      'all',
    ] as const)
  ) {
    case 'make':
      await tx`
        insert into agent_keys (id, cluster_id, name, verifier, permissions)
        select ${keyId}, ${clusterId}, 'soak', ${verifier}, ${permissions} from clusters where id = ${clusterId}
        on conflict (id) do update set status = 'active', verifier = ${verifier}, permissions = ${permissions}`;
      return 'sql: key made or enabled';
    case 'touch':
      await tx`update agent_keys set permissions = ${permissions} where id = ${keyId}`;
      return 'sql: key changed';
    case 'disable':
      await tx`update agent_keys set status = 'disabled', permissions = ${permissions} where id = ${keyId}`;
      return 'sql: key disabled';
    case 'delete':
      await tx`delete from agent_keys where id = ${keyId}`;
      return 'sql: key deleted';
    case 'rotate':
      await tx`update agent_keys set verifier = ${'r'.repeat(43)}, permissions = ${permissions} where id = ${keyId}`;
      return 'sql: key given another secret';
    case 'all':
      await tx`update agent_keys set permissions = ${permissions} where cluster_id = ${clusterId}`;
      return "sql: all of a cluster's keys changed";
  }
}

async function editCluster(tx: postgres.TransactionSql, platform: Platform, dice: Dice): Promise<string> {
  const cluster = dice.of(platform.clusters);
  const name = platform.unique('cluster');
  switch (dice.of(['make', 'make', 'make', 'make', 'rename', 'rename', 'disable', 'delete'] as const)) {
    case 'make':
      await makeCluster(tx, platform, cluster, name);
      return 'sql: cluster made or enabled';
    case 'rename':
      await tx`update clusters set name = ${name}, settings = ${tx.json({ name })} where id = ${cluster.id}`;
      return 'sql: cluster changed';
    case 'disable':
      await tx`update clusters set status = 'disabled', name = ${name} where id = ${cluster.id}`;
      return 'sql: cluster disabled';
    case 'delete':
      if (!dice.chance(0.5)) return 'sql: nothing';
      await tx`delete from clusters where id = ${cluster.id}`;
      return 'sql: cluster deleted';
  }
}

/** With its tenant where that is gone, and, where it has no placement, in every region. */
async function makeCluster(
  tx: postgres.TransactionSql,
  platform: Platform,
  { id, tenantId }: { id: string; tenantId: string },
  name: string,
): Promise<void> {
  await tx`
    insert into tenants (id, name) values (${tenantId}, ${platform.unique('tenant')}) on conflict (id) do nothing`;
  await tx`
    insert into clusters (id, tenant_id, name, upstream_url) values (${id}, ${tenantId}, ${name}, 'http://127.0.0.1:9/')
    on conflict (id) do update set status = 'active', name = ${name}`;
  await tx`
    insert into placements (cluster_id, region) select ${id}, region from unnest(${platform.regions as string[]}::text[]) region
    where not exists (select from placements where cluster_id = ${id})`;
}

async function editPlacement(tx: postgres.TransactionSql, platform: Platform, dice: Dice): Promise<string> {
  const { id } = dice.of(platform.clusters.filter(({ moves }) => moves));
  const region = dice.of(platform.regions);
  switch (dice.of(['add', 'add', 'remove', 'override'] as const)) {
    case 'add':
      await tx`
        insert into placements (cluster_id, region) select id, ${region} from clusters where id = ${id}
        on conflict do nothing`;
      return 'sql: placement added';
    case 'remove':
      await tx`delete from placements where cluster_id = ${id} and region = ${region}`;
      return 'sql: placement removed';
    case 'override': {
      const overrides = { upstreamUrl: `http://${platform.unique('up')}.example/`, settings: { region } };
      await tx`
        update placements set overrides = ${tx.json(overrides)} where cluster_id = ${id} and region = ${region}`;
      return 'sql: placement changed';
    }
  }
}

async function editTenant(tx: postgres.TransactionSql, platform: Platform, dice: Dice): Promise<string> {
  const { id } = dice.of(platform.tenants);
  const name = platform.unique('tenant');
  switch (dice.of(['make', 'make', 'make', 'suspend', 'delete'] as const)) {
    case 'make':
      await tx`
        insert into tenants (id, name) values (${id}, ${name})
        on conflict (id) do update set name = ${name}, status = 'active'`;
      return 'sql: tenant made or activated';
    case 'suspend':
      await tx`update tenants set status = 'suspended' where id = ${id}`;
      return 'sql: tenant suspended';
    case 'delete':
      if (!dice.chance(0.15)) return 'sql: nothing';
      await tx`delete from tenants where id = ${id}`;
      return 'sql: tenant deleted';
  }
}
