import type postgres from 'postgres';

/** How much a hub that is full has. */
export interface FullHub {
  tenants: number;
  clusters: number;
  keys: number;
  /** Rows of each table that tells of what happened: audit log, events, fences and all that. */
  history: number;
}

export const fullSize: FullHub = { tenants: 300, clusters: 100_000, keys: 1_000_000, history: 50_000 };

/** The regions that the clusters are placed in, two each. They are disabled: nobody publishes there. */
export const fullRegions: readonly string[] = Array.from(
  { length: 20 },
  (_, at) => `full-${String(at + 1).padStart(2, '0')}`,
);

/** What {@link fill} calls the thing of that number. */
export function filledId(prefix: string, number: number): string {
  return `${prefix}_${String(number).padStart(26, '0')}`;
}

/**
 * Fills a hub's database by SQL, past triggers and foreign keys, and analyses it. Not evenly, as no platform is: the
 * first tenant has three clusters in ten, the first cluster one key in twenty; one thing in some thousands is
 * disabled or begins with "zebra", three holds in four are of one region, and the journals are of all of them. `told` hears what is being filled.
 */
export async function fill(
  sql: postgres.Sql,
  size: FullHub,
  told: (what: string) => void = () => {},
): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`set local statement_timeout = 0`;
    await tx`set local session_replication_role = replica`; // foreign keys, and what is not captured
    await tx.unsafe(idAt);
    const switched = await withoutTriggers(tx);
    const indexes = await withoutIndexes(tx);
    for (const { table, columns, rows } of contents(size)) {
      told(table);
      await tx.unsafe(`insert into ${table} (${columns}) ${rows}`);
    }
    told('indexes');
    await tx`set local maintenance_work_mem = '256MB'`;
    for (const definition of indexes) await tx.unsafe(definition);
    for (const { table, trigger, mode } of switched)
      await tx.unsafe(`alter table ${table} enable ${mode} trigger ${trigger}`);
    await tx`update event_stream set last = ${size.history}`;
  });
  told('analysing');
  for (const table of new Set(contents(size).map((content) => content.table)))
    await sql.unsafe(`vacuum analyze ${table}`);
}

/** Switches off what fires even for replicas, and tells how to switch it on as it was. */
async function withoutTriggers(tx: postgres.TransactionSql) {
  const triggers = await tx<{ table: string; trigger: string; mode: string }[]>`
    select tgrelid::regclass::text as table, quote_ident(tgname) as trigger,
      case tgenabled when 'A' then 'always' when 'R' then 'replica' else '' end as mode
    from pg_trigger where not tgisinternal and tgenabled <> 'D'`;
  for (const { table, trigger } of triggers)
    await tx.unsafe(`alter table ${table} disable trigger ${trigger}`);
  return triggers;
}

/** Drops every index that is no constraint's, and tells how to make it again: of all rows at once that is far cheaper. */
async function withoutIndexes(tx: postgres.TransactionSql): Promise<string[]> {
  const indexes = await tx<{ name: string; definition: string }[]>`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
    from pg_index join pg_class on pg_class.oid = indrelid and relnamespace = 'public'::regnamespace
    where not exists (select from pg_constraint where conindid = indexrelid)`;
  for (const { name } of indexes) await tx.unsafe(`drop index ${name}`);
  return indexes.map(({ definition }) => definition);
}

/** An id that says when it was made, as contexts/ids.ts makes them, and a number instead of what is random there. */
const idAt = `
  create function pg_temp.id_at(prefix text, at timestamptz, n bigint) returns text language sql immutable as $$
    select prefix || '_' || ${Array.from(
      { length: 10 },
      (_, digit) =>
        `substr('0123456789abcdefghjkmnpqrstvwxyz', 1 + ((ms >> ${45 - 5 * digit}) & 31)::int, 1)`,
    ).join(' || ')} || lpad(n::text, 16, '0')
    from (select floor(extract(epoch from at) * 1000)::bigint as ms) moment
  $$`;

interface Content {
  table: string;
  columns: string;
  /** A query that gives them. */
  rows: string;
}

function contents({ tenants, clusters, keys, history }: FullHub): Content[] {
  const id = (prefix: string, number: string) => `'${prefix}_' || lpad((${number})::text, 26, '0')`;
  const tenantOfCluster = (n: string) =>
    id('ten', `case when ${n} % 10 < 3 then 1 else 2 + ${n} % ${tenants - 1} end`);
  const clusterNumberOfKey = (n: string) => `case when ${n} % 20 = 0 then 1 else 1 + ${n} % ${clusters} end`;
  const clusterOfKey = (n: string) => id('vci', clusterNumberOfKey(n));
  const region = (n: string) => `'full-' || lpad((1 + (${n}) % ${fullRegions.length})::text, 2, '0')`;
  const status = (n: string, otherwise = 'disabled') =>
    `case when ${n} % 5003 = 7 then '${otherwise}' else 'active' end`;
  const named = (what: string, n: string) =>
    `case when ${n} % 2003 = 5 then 'Zebra ${what} ' else '${what} ' end || ${n}`;
  const of = (rows: number) => `from generate_series(1, ${rows}) n`;
  /** Over the last two weeks, the last one just now. */
  const at = `now() - (${history} - n) * interval '14 days' / ${history}`;
  /** Over the last day and a half: fences are kept for one. */
  const lately = `now() - (${history} - n) * interval '36 hours' / ${history}`;
  const fenceId = `pg_temp.id_at('fen', ${lately}, n)`;
  return [
    {
      table: 'regions',
      columns: 'id, store_endpoint, store_table, status',
      rows: `select ${region('n')}, 'http://127.0.0.1:1/', 'full-' || n, 'disabled' ${of(fullRegions.length)}`,
    },
    {
      table: 'tenants',
      columns: 'id, name, status',
      rows: `select ${id('ten', 'n')}, ${named('tenant', 'n')}, ${status('n', 'suspended')} ${of(tenants)}`,
    },
    {
      table: 'clusters',
      columns: 'id, tenant_id, name, status, upstream_url',
      rows: `select ${id('vci', 'n')}, ${tenantOfCluster('n')}, ${named('cluster', 'n')}, ${status('n')}, 'http://127.0.0.1:9/' ${of(clusters)}`,
    },
    ...['n', `n + 1 + n / ${fullRegions.length} % ${fullRegions.length - 1}`].flatMap((place) => [
      {
        table: 'placements',
        columns: 'cluster_id, region',
        rows: `select ${id('vci', 'n')}, ${region(place)} ${of(clusters)}`,
      },
      {
        table: 'holdings',
        columns: 'cluster_id, region, tenant_id, settled',
        rows: `select ${id('vci', 'n')}, ${region(place)}, ${tenantOfCluster('n')}, true ${of(clusters)}`,
      },
    ]),
    {
      table: 'agent_keys',
      columns: 'id, cluster_id, tenant_id, name, verifier, status',
      rows: `select ${id('aki', 'n')}, ${clusterOfKey('n')}, ${tenantOfCluster(`(${clusterNumberOfKey('n')})`)}, ${named('key', 'n')}, substr(md5(n::text) || md5('v' || n), 1, 43), ${status('n')} ${of(keys)}`,
    },
    ...(
      [
        ['tenant', 'ten', tenants],
        ['cluster', 'vci', clusters],
        ['agent-key', 'aki', keys],
      ] as const
    ).map(([kind, prefix, rows]) => ({
      table: 'heads',
      columns: 'kind, key, revision, deleted, changed_xid',
      rows: `select '${kind}', ${id(prefix, 'n')}, nextval('revisions'), false, (3 + n)::text::xid8 ${of(rows)}`,
    })),
    {
      table: 'outbox',
      columns: 'kind, key, regions, cause, tightens',
      rows: `select 'agent-key', ${id('aki', 'n')}, '{}', 'request', false ${of(history / 4)}`,
    },
    {
      table: 'users',
      columns: 'id, email, name, status',
      rows: `select ${id('usr', 'n')}, 'person' || n || '@example.com', 'person ' || n, 'active' ${of(history)}`,
    },
    {
      table: 'memberships',
      columns: 'user_id, tenant_id, role, accepted_at',
      rows: `select ${id('usr', 'n')}, ${id('ten', `1 + n % ${tenants}`)}, 'viewer', now() ${of(history)}`,
    },
    {
      table: 'identities',
      columns: 'issuer, subject, user_id, created_at',
      rows: `select 'https://id.example', 'subject ' || n, ${id('usr', 'n')}, now() ${of(history)}`,
    },
    {
      table: 'sessions',
      columns:
        'id, token_hash, user_id, created_at, last_seen_at, idle_until, expires_at, source, user_agent',
      rows: `select ${id('ses', 'n')}, md5(n::text), ${id('usr', 'n')}, now(), now(), now() + interval '1 day', now() + interval '7 days', '127.0.0.1', 'filled' ${of(history)}`,
    },
    {
      table: 'one_time_links',
      columns: 'id, token_hash, purpose, user_id, created_by, created_at, expires_at',
      rows: `select ${id('otl', 'n')}, md5(n::text), 'invitation', ${id('usr', 'n')}, 'filled', now(), now() + interval '1 day' ${of(history)}`,
    },
    {
      table: 'guesses',
      columns: 'name, failures, window_ends_at, known_until',
      rows: `select md5(n::text), n % 20, now() + n * interval '1 ms', case when n % 2 = 0 then now() + n * interval '1 minute' end ${of(history)}`,
    },
    {
      table: 'application_keys',
      columns: 'id, tenant_id, role, name, verifier, status',
      rows: `select ${id('apk', 'n')}, ${id('ten', `1 + n % ${tenants}`)}, 'viewer', 'app ' || n, md5(n::text), ${status('n')} ${of(history)}`,
    },
    {
      table: 'idempotency_keys',
      columns: 'application_key_id, key, request_hash, status, body, created_at',
      rows: `select ${id('apk', 'n')}, 'key ' || n, 'hash', 201, '{}', now() - n * interval '20 hours' / ${history} ${of(history)}`,
    },
    {
      table: 'audit_log',
      columns:
        'id, at, actor_id, actor_name, action, resource_type, resource_id, tenant_id, after, request_id',
      rows: `select pg_temp.id_at('aud', ${at}, n), ${at}, ${id('apk', '1 + n % 50')}, 'app', case when n % 5003 = 7 then 'agent-key.delete' else 'agent-key.create' end, 'agent-key',
          ${id('aki', 'n')}, ${tenantOfCluster('n')}, jsonb_build_object('id', ${id('aki', 'n')}, 'name', 'key ' || n), 'filled' ${of(history)}`,
    },
    {
      table: 'fences',
      columns:
        'id, tenant_id, created_at, committed_at, relayed_at, rows_written, rows_relayed, contexts, xid',
      rows: `select ${fenceId}, ${tenantOfCluster('n')}, ${lately}, ${lately}, ${lately}, 1, 1, array['agent-key/' || ${id('aki', 'n')}], (3 + n)::text::xid8 ${of(history)}`,
    },
    {
      table: 'fence_regions',
      columns: 'fence, region, stored_at, seen_at',
      rows: `select ${fenceId}, ${region('n')}, ${lately}, ${lately} ${of(history)}`,
    },
    {
      table: 'fence_jobs',
      columns: 'fence, region, receipt',
      rows: `select ${fenceId}, ${region('n')}, 'filled.' || n ${of(history)}`,
    },
    {
      table: 'receipts',
      columns: 'id, stored_at, announced_at, feed_incarnation, feed_number, created_at',
      rows: `select 'filled.' || n, ${lately}, ${lately}, 'filled', n, ${lately} ${of(history)}`,
    },
    {
      table: 'events',
      columns: 'position, at, tenant_id, audit_entry, fence',
      rows: `select n, ${at}, ${tenantOfCluster('n')}, pg_temp.id_at('aud', ${at}, n), ${fenceId} ${of(history)}`,
    },
    {
      table: 'deletions',
      columns: 'id, resource_type, resource_id, name, tenant_id, clusters, agent_keys, purge_at',
      rows: `select ${id('del', 'n')}, 'cluster', ${id('vci', `${clusters} + n`)}, 'cluster ' || n, ${tenantOfCluster('n')}, 1, 1, now() + interval '30 days' ${of(history)}`,
    },
    {
      table: 'deleted_rows',
      columns: 'deletion, "table", "row"',
      rows: `select ${id('del', 'n')}, 'agent_keys', '{}' ${of(history)}`,
    },
    {
      table: 'sweeps',
      columns:
        'id, region, cause, status, counts, mark, tail, requested_at, started_at, finished_at, feed_incarnation, feed_number, held_back',
      rows: `select pg_temp.id_at('swp', ${at}, n), ${region('n')}, 'scheduled', case when n % 5003 = 7 then 'failed' else 'completed' end, '{"scanned": 1}', '3', '[]', ${at}, ${at}, ${at}, 'filled', n, '{}' ${of(history)}`,
    },
    {
      table: 'seedings',
      columns: 'id, region, cause, phase, requested_at, finished_at',
      rows: `select pg_temp.id_at('sdg', ${at}, n), ${region('n')}, 'requested', 'finished', ${at}, ${at} ${of(history)}`,
    },
    {
      table: 'losses',
      columns: 'region, kind, key, replaced, counted, at',
      rows: `select ${region('n')}, 'agent-key', ${id('aki', 'n')}, 'filled', true, now() ${of(history)}`,
    },
    {
      table: 'holds',
      columns: 'region, kind, key, reason, detail, revision',
      rows: `select ${region('case when n % 4 = 0 then n else 0 end')}, 'agent-key', h.key, case when n % 5003 = 7 then 'invalid' else 'budget' end, 'filled', h.revision
          ${of(history)} join heads h on h.kind = 'agent-key' and h.key = ${id('aki', 'n')}`,
    },
    {
      table: 'agent_key_uses',
      columns: 'key, region, last_used_at',
      rows: `select ${id('aki', 'n')}, ${region('n')}, now() - n * interval '1 minute' ${of(keys)}`,
    },
    {
      table: 'region_lags',
      columns: 'region, minute, lag_ms, state',
      rows: `select ${region('n')}, date_trunc('minute', now()) - (n / ${fullRegions.length}) * interval '1 minute', 100, 'open' ${of(fullRegions.length * 1440)}`,
    },
  ];
}
