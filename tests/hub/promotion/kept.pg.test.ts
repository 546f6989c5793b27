import { sql } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { keepDeleted, restoreDeleted } from '../../../hub/db/deletions.ts';
import { importIntoKept } from '../../../hub/promotion/kept.ts';
import { clusterRows, keyRows } from '../../../hub/promotion/rows.ts';
import { HubDatabase, verifier } from '../db/hub-database.ts';

const [oldSecret, newSecret] = ['o'.repeat(43), 'n'.repeat(43)];

test('[law 2] what is kept for an undelete is judged like what is there, and comes back as tight as it was seen', async () => {
  await using hub = await HubDatabase.create();
  await hub.regions('r1');
  for (const cluster of ['vci_1', 'vci_2']) await hub.cluster(cluster, 'ten_1', 'r1');
  for (const key of ['aki_1', 'aki_3', 'aki_4']) await hub.key(key, 'vci_1');
  await hub.key('aki_2', 'vci_2');
  await hub.db.transaction(async (tx) => {
    const what = { resourceType: 'cluster', resourceId: 'vci_1', name: 'vci_1', tenantId: 'ten_1' } as const;
    await keepDeleted(tx, { id: 'del_1', ...what }, 30);
    await tx.execute(sql`delete from clusters where id = 'vci_1'`);
  });
  const kept = async (rows: AsyncIterable<{ id: string; kept: boolean }>) =>
    (await Array.fromAsync(rows)).map((row) => (row.kept ? `${row.id} kept` : row.id));
  expect(await kept(clusterRows(hub.db))).toEqual(['vci_1 kept', 'vci_2']);
  expect(await kept(keyRows(hub.db))).toEqual(['aki_1 kept', 'aki_2', 'aki_3 kept', 'aki_4 kept']);

  await hub.db.transaction(async (tx) => {
    await importIntoKept(tx, [
      { action: 'delete-key', id: 'aki_1', name: '' },
      { action: 'disable-key', id: 'aki_3', name: '', why: 'doubtful' },
      {
        ...{ action: 'tighten-key', id: 'aki_4', name: '' },
        changes: {
          ...{ status: 'disabled', expiresAtMs: 1000, permissions: ['a'], allowedNetworks: ['10.0.0.0/8'] },
          secrets: { present: newSecret, retiring: [{ verifier: oldSecret, endsAtMs: 5 }] },
          rateLimit: { limit: 3, windowMs: 1000 },
        },
      },
      { action: 'disable-cluster', id: 'vci_1', name: '', why: 'denied' },
    ]);
    await restoreDeleted(tx, 'del_1');
  });
  const [cluster] = await hub.sql`select status from clusters where id = 'vci_1'`;
  expect(cluster).toEqual({ status: 'disabled' });
  const keys = await hub.sql`
    select *, allowed_networks::text[] as networks from agent_keys where cluster_id = 'vci_1' order by id`;
  expect(keys).toMatchObject([
    { id: 'aki_3', status: 'disabled', verifier, expires_at: null },
    {
      ...{ id: 'aki_4', status: 'disabled', expires_at: new Date(1000), permissions: ['a'] },
      ...{ verifier: '-'.repeat(43), restricted_verifier: newSecret, networks: ['10.0.0.0/8'] },
      ...{ retiring: [{ verifier: oldSecret, endsAtMs: 5 }], rate_limit: 3, rate_window_ms: 1000 },
    },
  ]);
});
