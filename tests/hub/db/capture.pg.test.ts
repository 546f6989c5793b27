import { type SQL, sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { kindNames } from '../../../contexts/kinds/index.ts';
import { HubDatabase, verifier } from './hub-database.ts';

let hub: HubDatabase;
beforeAll(async () => {
  hub = await HubDatabase.create();
});
afterEach(() => hub.endSessions());
afterAll(() => hub[Symbol.asyncDispose]());

/** Two regions that hold the cluster, one that never did. */
beforeEach(async () => {
  await hub.sql`delete from tenants`;
  await hub.sql`delete from holdings`.catch(() => {});
  await hub.regions('r1', 'r2', 'r3');
  await hub.cluster('vci_1', 'ten_1', 'r1', 'r2');
  await hub.key('aki_1', 'vci_1');
  await hub.emptyOutbox();
});

const both = ['r1', 'r2'];
const row = (kind: string, key: string, regions: string[], tightens: boolean, cause = 'row') => ({
  kind,
  key,
  regions,
  cause,
  tightens,
});

interface Change {
  what: string;
  statement: string;
  rows: ReturnType<typeof row>[];
  /** Heads whose revision must have grown; every other head must not have moved. */
  bumped: [kind: string, key: string, deleted?: boolean][];
}

const addKeys = `insert into agent_keys (id, cluster_id, name, verifier) values
  ('aki_3', 'vci_1', 'c', '${verifier}'), ('aki_2', 'vci_1', 'b', '${verifier}')`;

const changes: Change[] = [
  {
    what: 'a tenant inserted',
    statement: `insert into tenants (id, name) values ('ten_2', 'two')`,
    rows: [row('tenant', 'ten_2', [], false)],
    bumped: [['tenant', 'ten_2']],
  },
  {
    what: 'a tenant updated',
    statement: `update tenants set name = 'other'`,
    rows: [row('tenant', 'ten_1', both, false)],
    bumped: [['tenant', 'ten_1']],
  },
  {
    what: 'a tenant suspended',
    statement: `update tenants set status = 'suspended'`,
    rows: [row('tenant', 'ten_1', both, true)],
    bumped: [['tenant', 'ten_1']],
  },
  {
    what: 'a tenant deleted, and what hangs on it by cascade',
    statement: `delete from tenants where id = 'ten_1'`,
    rows: [
      row('agent-key', 'aki_1', both, true),
      row('cluster', 'vci_1', both, true, 'placement'),
      row('cluster', 'vci_1', both, true),
      row('tenant', 'ten_1', both, true),
    ],
    bumped: [
      ['tenant', 'ten_1', true],
      ['cluster', 'vci_1', true],
      ['agent-key', 'aki_1', true],
    ],
  },
  {
    what: 'a cluster inserted',
    statement: `insert into clusters (id, tenant_id, name, upstream_url) values ('vci_2', 'ten_1', 'two', 'http://x')`,
    rows: [row('cluster', 'vci_2', [], false)],
    bumped: [['cluster', 'vci_2']],
  },
  {
    what: 'a cluster updated',
    statement: `update clusters set settings = '{"a":1}' where id = 'vci_1'`,
    rows: [row('cluster', 'vci_1', both, false)],
    bumped: [['cluster', 'vci_1']],
  },
  {
    what: 'a cluster disabled',
    statement: `update clusters set status = 'disabled'`,
    rows: [row('cluster', 'vci_1', both, true)],
    bumped: [['cluster', 'vci_1']],
  },
  {
    what: 'a cluster deleted, with its keys and placements by cascade',
    statement: `delete from clusters where id = 'vci_1'`,
    rows: [
      row('agent-key', 'aki_1', both, true),
      row('cluster', 'vci_1', both, true, 'placement'),
      row('cluster', 'vci_1', both, true),
    ],
    bumped: [
      ['cluster', 'vci_1', true],
      ['agent-key', 'aki_1', true],
    ],
  },
  {
    what: 'several keys inserted by one statement',
    statement: addKeys,
    rows: [row('agent-key', 'aki_2', both, false), row('agent-key', 'aki_3', both, false)],
    bumped: [
      ['agent-key', 'aki_2'],
      ['agent-key', 'aki_3'],
    ],
  },
  {
    what: 'a key deleted',
    statement: `delete from agent_keys where name = 'aki_1'`,
    rows: [row('agent-key', 'aki_1', both, true)],
    bumped: [['agent-key', 'aki_1', true]],
  },
  {
    what: 'a key deleted and inserted again in one transaction',
    statement: `begin; delete from agent_keys where id = 'aki_1';
      insert into agent_keys (id, cluster_id, name, verifier) values ('aki_1', 'vci_1', 'a', '${verifier}'); commit`,
    rows: [row('agent-key', 'aki_1', both, true), row('agent-key', 'aki_1', both, false)],
    bumped: [['agent-key', 'aki_1', false]],
  },
  {
    what: 'a key upserted: on conflict do update',
    statement: `insert into agent_keys (id, cluster_id, name, verifier) values
        ('aki_1', 'vci_1', 'a', '${'w'.repeat(43)}'), ('aki_2', 'vci_1', 'b', '${verifier}')
      on conflict (id) do update set verifier = excluded.verifier`,
    rows: [row('agent-key', 'aki_2', both, false), row('agent-key', 'aki_1', both, true)],
    bumped: [
      ['agent-key', 'aki_1'],
      ['agent-key', 'aki_2'],
    ],
  },
  {
    what: 'a key that conflicts and is left: on conflict do nothing',
    statement: `insert into agent_keys (id, cluster_id, name, verifier) values ('aki_1', 'vci_1', 'a', 'x')
      on conflict do nothing`,
    rows: [],
    bumped: [],
  },
  {
    what: 'keys merged: MERGE deletes, updates and inserts',
    statement: `merge into agent_keys k using (values ('aki_1'), ('aki_2')) v (id) on k.id = v.id
      when matched then delete
      when not matched then insert (id, cluster_id, name, verifier) values (v.id, 'vci_1', 'm', '${verifier}')`,
    rows: [row('agent-key', 'aki_2', both, false), row('agent-key', 'aki_1', both, true)],
    bumped: [
      ['agent-key', 'aki_1', true],
      ['agent-key', 'aki_2'],
    ],
  },
  {
    what: 'a change inside a data-modifying CTE',
    statement: `with gone as (delete from agent_keys where id = 'aki_1' returning id)
      select * from gone`,
    rows: [row('agent-key', 'aki_1', both, true)],
    bumped: [['agent-key', 'aki_1', true]],
  },
  {
    what: 'a placement inserted',
    statement: `insert into placements (cluster_id, region) values ('vci_1', 'r3')`,
    rows: [row('cluster', 'vci_1', ['r1', 'r2', 'r3'], false, 'placement')],
    bumped: [['cluster', 'vci_1']],
  },
  {
    what: 'a placement updated',
    statement: `update placements set overrides = '{"upstreamUrl":"https://r1.example"}' where region = 'r1'`,
    rows: [row('cluster', 'vci_1', both, false)],
    bumped: [['cluster', 'vci_1']],
  },
  {
    what: 'a placement deleted: the region that held it is still told',
    statement: `delete from placements where region = 'r2'`,
    rows: [row('cluster', 'vci_1', both, true, 'placement')],
    bumped: [['cluster', 'vci_1']],
  },
  {
    what: 'a placement deleted, then its key: the region that held both is told of both',
    statement: `delete from placements where region = 'r2'; delete from agent_keys`,
    rows: [row('cluster', 'vci_1', both, true, 'placement'), row('agent-key', 'aki_1', both, true)],
    bumped: [
      ['cluster', 'vci_1'],
      ['agent-key', 'aki_1', true],
    ],
  },
  {
    what: 'a savepoint rolled back beside a change that stays',
    statement: `begin; update tenants set name = 'stays'; savepoint s; delete from agent_keys; rollback to s; commit`,
    rows: [row('tenant', 'ten_1', both, false)],
    bumped: [['tenant', 'ten_1']],
  },
  {
    what: 'a transaction rolled back',
    statement: `begin; update tenants set name = 'x'; delete from agent_keys; delete from placements; rollback`,
    rows: [],
    bumped: [],
  },
  {
    what: 'the name of a key changed: no context is built from it',
    statement: `update agent_keys set name = 'other', updated_at = now()`,
    rows: [],
    bumped: [],
  },
  {
    what: 'updated_at changed',
    statement: `update tenants set updated_at = now(); update clusters set updated_at = now()`,
    rows: [],
    bumped: [],
  },
  {
    what: 'an update that changes nothing',
    statement: `update tenants set name = name; update clusters set status = status; update placements set overrides = overrides`,
    rows: [],
    bumped: [],
  },
  {
    what: 'an update of no row',
    statement: `update agent_keys set status = 'disabled' where id = 'nobody'; delete from placements where region = 'r9'`,
    rows: [],
    bumped: [],
  },
];

type Row = ReturnType<typeof row>;
const nameOf = ({ kind, key, cause, tightens }: Row) => `${kind} ${key} ${cause} ${tightens}`;
const byName = (a: Row, b: Row) => (nameOf(a) < nameOf(b) ? -1 : 1);

type Heads = Map<string, { revision: number; deleted: boolean }>;

async function allHeads(): Promise<Heads> {
  const rows = await hub.sql`select kind, key, revision, deleted from heads`;
  return new Map(
    rows.map((r) => [`${r.kind}/${r.key}`, { revision: Number(r.revision), deleted: r.deleted }]),
  );
}

describe.each(['origin', 'replica'])('under session_replication_role = %s', (role) => {
  test.each(changes)('[law 1] $what', async ({ statement, rows, bumped }) => {
    const isCascade = rows.length > bumped.length || bumped.length > 2;
    if (role === 'replica' && isCascade) return; // foreign keys do not act there, so nothing is cascaded to
    const before = await allHeads();
    const session = await hub.session().reserve();
    await session.unsafe(`set session_replication_role = ${role}`);
    const captured = await hub.captured(() => session.unsafe(statement));
    session.release();
    expect(captured.sort(byName)).toEqual([...rows].sort(byName));
    const after = await allHeads();
    const moved = [...after].filter(([name, head]) => head.revision !== before.get(name)?.revision);
    expect(moved.map(([name]) => name).sort()).toEqual(bumped.map(([kind, key]) => `${kind}/${key}`).sort());
    for (const [kind, key, deleted = false] of bumped) {
      const head = after.get(`${kind}/${key}`)!;
      expect(head.deleted, `${kind}/${key}`).toBe(deleted);
      const highest = Math.max(...[...before.values()].map((one) => one.revision));
      expect(head.revision, 'revisions only grow').toBeGreaterThan(highest);
    }
  });
});

test('[law 1] COPY is captured as any statement is', async () => {
  const before = await hub.revision('agent-key', 'aki_1');
  const captured = await hub.captured(async () => {
    const writable = await hub.sql`copy agent_keys (id, cluster_id, name, verifier) from stdin`.writable();
    const ended = new Promise((resolve, reject) => writable.on('finish', resolve).on('error', reject));
    writable.end(['aki_8', 'aki_9'].map((id) => `${id}\tvci_1\t${id}\t${verifier}\n`).join(''));
    await ended;
    await expect.poll(async () => (await hub.outbox()).length).toBe(2);
  });
  expect(captured).toEqual([row('agent-key', 'aki_8', both, false), row('agent-key', 'aki_9', both, false)]);
  expect(await hub.revision('agent-key', 'aki_8')).toBeGreaterThan(before);
});

test('[law 1] a bulk change of thousands of rows is captured whole', async () => {
  const captured = await hub.captured(
    () => hub.sql`
      insert into agent_keys (id, cluster_id, name, verifier)
      select 'aki_bulk_' || lpad(n::text, 5, '0'), 'vci_1', 'n', ${verifier} from generate_series(1, 3000) n`,
  );
  expect(captured).toHaveLength(3000);
  expect(new Set(captured.map(({ key }) => key)).size).toBe(3000);
  const [heads] =
    await hub.sql`select count(*)::int as n from heads where key like 'aki_bulk_%' and not deleted`;
  expect(heads!.n).toBe(3000);
});

test('[law 1] head and outbox row are of the same transaction as the change', async () => {
  const session = await hub.session().reserve();
  await session`begin`;
  const [{ xid }] = (await session`select pg_current_xact_id()::text as xid`) as unknown as [{ xid: string }];
  await session`update agent_keys set status = 'disabled'`;
  expect(await hub.outbox(), 'nothing is seen before the commit').toEqual([]);
  await session`commit`;
  session.release();
  const [written] = await hub.sql`
    select o.xmin::text as outbox_xid, h.changed_xid::text as head_xid
    from outbox o join heads h using (kind, key)`;
  expect(written).toEqual({ outbox_xid: xid, head_xid: xid });
});

test.each(kindNames)(
  '[law 1] every table that a context of kind %s is built from is captured, whoever writes',
  async (kind) => {
    const exported = Object.values(await import(`../../../hub/db/builders/${kind}.ts`));
    const builder = exported.find((one) => (one as { kind?: string }).kind === kind) as {
      derive(region: string): SQL;
    };
    const plan = JSON.stringify(await hub.db.execute(sql`explain (format json) ${builder.derive('r1')}`));
    const tables = [...new Set([...plan.matchAll(/"Relation Name":\s*"(\w+)"/g)].map((match) => match[1]!))];
    expect(tables.length).toBeGreaterThan(0);
    for (const table of tables) {
      const triggers = await hub.sql`
      select tgname as name from pg_trigger t join pg_proc f on f.oid = t.tgfoid
      where tgrelid = ${table}::regclass and tgenabled = 'A' and (f.proname = ${`capture_${table}`} or f.proname = 'refuse_truncate')
      order by 1`;
      expect(
        triggers.map(({ name }) => name),
        table,
      ).toEqual([...['capture_delete', 'capture_insert', 'capture_update', 'refuse_truncate']]);
    }
  },
);

test('[law 1] a column added later counts until it is named', async () => {
  await hub.sql`alter table tenants add column plan text`;
  await hub.sql`alter table agent_keys add column note text`;
  await hub.sql`alter table placements add column weight int`;
  const captured = await hub.captured(async () => {
    await hub.sql`update tenants set plan = 'gold'`;
    await hub.sql`update agent_keys set note = 'n'`;
    await hub.sql`update placements set weight = 3 where region = 'r1'`;
  });
  expect(captured.map(({ kind }) => kind)).toEqual(['tenant', 'agent-key', 'cluster']);
  await hub.sql`alter table tenants drop column plan`;
  await hub.sql`alter table agent_keys drop column note`;
  await hub.sql`alter table placements drop column weight`;
});

describe('what tightens access', () => {
  const bound = (networks: string) =>
    `allowed_networks = '${networks}', verifier = repeat('-', 43), restricted_verifier = '${'w'.repeat(43)}'`;
  const bounds = {
    allowed_networks: '{10.0.0.0/8,::/0}',
    verifier: '-'.repeat(43),
    restricted_verifier: 'w'.repeat(43),
  };
  const unbound = { allowed_networks: null, verifier, restricted_verifier: null, retiring: '[]' };
  const unlimited = { rate_limit: null, rate_window_ms: null };
  const keyIs = {
    ...unbound,
    ...unlimited,
    status: 'active',
    expires_at: '2031-01-01',
    permissions: '{read,write}',
  };
  const cases: [what: string, from: object, to: string, tightens: boolean][] = [
    ['disabled', {}, `status = 'disabled'`, true],
    ['enabled', { status: 'disabled' }, `status = 'active'`, false],
    ['changed while disabled', { status: 'disabled' }, `permissions = '{read,write,more}'`, false],
    ['another verifier', {}, `verifier = '${'w'.repeat(43)}'`, true],
    ['expires earlier', {}, `expires_at = '2030-06-01'`, true],
    ['expires later', {}, `expires_at = '2032-01-01'`, false],
    ['expires, where it did not', { expires_at: null }, `expires_at = '2032-01-01'`, true],
    ['no longer expires', {}, 'expires_at = null', false],
    ['expired for ever', { expires_at: null }, `expires_at = '-infinity'`, true],
    ['a permission taken', {}, `permissions = '{read}'`, true],
    ['a permission given', {}, `permissions = '{read,write,admin}'`, false],
    ['one permission for another', {}, `permissions = '{read,admin}'`, true],
    ['the same permissions in another order', {}, `permissions = '{write,read}'`, false],
    ['all permissions taken', {}, `permissions = '{}'`, true],
    ['bound to networks', {}, bound('{10.0.0.0/8}'), true],
    ['bound to narrower ones', { ...bounds }, `allowed_networks = '{10.1.0.0/16,::/0}'`, true],
    ['bound to one less', { ...bounds }, `allowed_networks = '{10.0.0.0/8}'`, true],
    ['bound to more', { ...bounds }, `allowed_networks = '{10.0.0.0/8,::/0,192.0.2.0/24}'`, false],
    ['bound to wider ones', { ...bounds }, `allowed_networks = '{0.0.0.0/0,::/0}'`, false],
    ['another verifier while bound', { ...bounds }, `restricted_verifier = '${'x'.repeat(43)}'`, true],
    ['a retiring secret gone', { retiring: '[{"verifier":"v","endsAtMs":1}]' }, `retiring = '[]'`, true],
    ['limited', {}, 'rate_limit = 1, rate_window_ms = 1000', true],
    ['limited more', { rate_limit: 2, rate_window_ms: 1000 }, 'rate_limit = 1', true],
    ['limited over longer', { rate_limit: 2, rate_window_ms: 1000 }, 'rate_window_ms = 2000', true],
    ['limited less', { rate_limit: 2, rate_window_ms: 1000 }, 'rate_limit = 3', false],
    [
      'limited no longer',
      { rate_limit: 2, rate_window_ms: 1000 },
      'rate_limit = null, rate_window_ms = null',
      false,
    ],
  ];
  test.each(cases)('[law 6] a key %s', async (_what, from, to, tightens) => {
    await hub.sql`update agent_keys set ${hub.sql({ ...keyIs, ...from })}`;
    const captured = await hub.captured(() => hub.sql.unsafe(`update agent_keys set ${to}`));
    expect(captured).toEqual([row('agent-key', 'aki_1', both, tightens)]);
  });

  test.each([
    ['tenants', 'tenant', 'ten_1', 'suspended'],
    ['clusters', 'cluster', 'vci_1', 'disabled'],
  ])('[law 6] %s: out of service tightens, and back does not', async (table, kind, key, off) => {
    expect(await hub.captured(() => hub.sql.unsafe(`update ${table} set status = '${off}'`))).toEqual([
      row(kind, key, both, true),
    ]);
    expect(await hub.captured(() => hub.sql.unsafe(`update ${table} set status = 'active'`))).toEqual([
      row(kind, key, both, false),
    ]);
  });
});

describe('what is refused', () => {
  const tables = [
    'tenants',
    'clusters',
    'agent_keys',
    'placements',
    'regions',
    'heads',
    'holdings',
    'outbox',
    'heartbeats',
  ];

  describe.each(['origin', 'replica'])('under session_replication_role = %s', (role) => {
    const run = async (statement: string) => {
      const session = await hub.session().reserve();
      try {
        await session.unsafe(`set session_replication_role = ${role}`);
        await session.unsafe(statement);
      } finally {
        session.release();
      }
    };

    test.each(tables)('[law 1] [law 9] TRUNCATE of %s', async (table) => {
      await expect(run(`truncate ${table} cascade`)).rejects.toThrow(/TRUNCATE of \w+ is refused/);
    });

    test.each([
      ['tenants', 'id'],
      ['clusters', 'id'],
      ['clusters', 'tenant_id'],
      ['agent_keys', 'id'],
      ['agent_keys', 'cluster_id'],
      ['placements', 'cluster_id'],
      ['placements', 'region'],
      ['regions', 'id'],
      ['heartbeats', 'region'],
    ])('[law 1] changing %s.%s, which would leave the old context behind', async (table, column) => {
      await hub.cluster('vci_9', 'ten_9');
      await hub.sql`insert into heartbeats (region) values ('r1') on conflict do nothing`;
      const statement = `update ${table} set ${column} = ${column} || 'x'`;
      await expect(run(statement)).rejects.toThrow(`${table}.${column} cannot be changed`);
    });

    test('[law 9] the head of a living context is not deleted, and neither is the memory of a placement', async () => {
      await expect(run(`delete from heads where key = 'aki_1'`)).rejects.toThrow(/still there/);
      await expect(run(`delete from holdings where cluster_id = 'vci_1'`)).rejects.toThrow(/still there/);
    });
  });

  test('a head whose context is gone may be purged, and an ended placement forgotten', async () => {
    await hub.sql`delete from clusters`;
    await hub.sql`delete from heads where kind = 'cluster'`;
    await hub.sql`delete from holdings`;
    expect(await hub.head('cluster', 'vci_1')).toBeUndefined();
  });
});
