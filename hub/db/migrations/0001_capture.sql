-- Nothing forgets (law 1): every committed change of a row that a context is built from bumps its head and writes
-- an outbox row in the same transaction, whoever made it. Triggers are per statement with transition tables, so a
-- bulk change locks heads in key order, and `enable always`, so they fire under session_replication_role = replica.

insert into hub_state (id) values (1);
--> statement-breakpoint

-- The one way to a new revision. The number is drawn while the head's row lock is held: in the update branch of the
-- upsert, which runs after the lock was taken; a plain insert holds its row from birth. So revisions of one context
-- are in commit order. `is_deleted` null leaves the flag as it is.
create function touch_heads(context_kind text, context_keys text[], is_deleted boolean) returns void
language sql as $$
  insert into heads as h (kind, key, revision, deleted)
    select context_kind, k.key, nextval('revisions'), coalesce(is_deleted, false)
    from (select distinct key collate "C" as key from unnest(context_keys) as key order by 1) k
  on conflict (kind, key) do update
    set revision = nextval('revisions'),
        deleted = coalesce(is_deleted, h.deleted),
        changed_at = clock_timestamp(),
        changed_xid = pg_current_xact_id();
$$;
--> statement-breakpoint

-- Regions that hold a cluster's contexts, or did within the last day: long enough for every put that was under way.
create function regions_of_cluster(cluster text) returns text[]
language sql stable as $$
  select coalesce(array_agg(region order by region), '{}') from holdings
  where cluster_id = cluster and (until is null or until > now() - interval '1 day');
$$;
--> statement-breakpoint

create function regions_of_tenant(tenant text) returns text[]
language sql stable as $$
  select coalesce(array_agg(distinct region order by region), '{}') from holdings
  where tenant_id = tenant and (until is null or until > now() - interval '1 day');
$$;
--> statement-breakpoint

create function capture_tenants() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    perform touch_heads('tenant', array(select id from old_rows), true);
    insert into outbox (kind, key, regions, cause, tightens)
      select 'tenant', id, regions_of_tenant(id), 'row', true from old_rows order by id;
  elsif tg_op = 'INSERT' then
    perform touch_heads('tenant', array(select id from new_rows), false);
    insert into outbox (kind, key, regions, cause, tightens)
      select 'tenant', id, regions_of_tenant(id), 'row', false from new_rows order by id;
  else
    -- Columns that no context is built from are named here; a column added later counts until it is named.
    with changed as materialized (
      select n.id, n.status <> 'active' and o.status = 'active' as tightens
      from new_rows n join old_rows o using (id)
      where to_jsonb(n) - array['updated_at'] is distinct from to_jsonb(o) - array['updated_at']
    ), touched as materialized (
      select touch_heads('tenant', array(select id from changed), false)
    )
    insert into outbox (kind, key, regions, cause, tightens)
      select 'tenant', id, regions_of_tenant(id), 'row', tightens from changed, touched order by id;
  end if;
  perform pg_notify('spokecast_outbox', '');
  return null;
end $$;
--> statement-breakpoint

create function capture_clusters() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    perform touch_heads('cluster', array(select id from old_rows), true);
    insert into outbox (kind, key, regions, cause, tightens)
      select 'cluster', id, regions_of_cluster(id), 'row', true from old_rows order by id;
  elsif tg_op = 'INSERT' then
    perform touch_heads('cluster', array(select id from new_rows), false);
    insert into outbox (kind, key, regions, cause, tightens)
      select 'cluster', id, regions_of_cluster(id), 'row', false from new_rows order by id;
  else
    with changed as materialized (
      select n.id, n.status <> 'active' and o.status = 'active' as tightens
      from new_rows n join old_rows o using (id)
      where to_jsonb(n) - array['updated_at'] is distinct from to_jsonb(o) - array['updated_at']
    ), touched as materialized (
      select touch_heads('cluster', array(select id from changed), false)
    )
    insert into outbox (kind, key, regions, cause, tightens)
      select 'cluster', id, regions_of_cluster(id), 'row', tightens from changed, touched order by id;
  end if;
  perform pg_notify('spokecast_outbox', '');
  return null;
end $$;
--> statement-breakpoint

-- A deleted key can be resolved to its cluster by nobody later, so its regions are settled here. A placement that is
-- being added meanwhile would be missed by one snapshot: a region might have been sent the key between the two
-- commits, and never hear of the deletion. Whoever adds a placement holds the cluster's row `for no key update`, so
-- it is here either seen, or made to wait, or (where it was first, and is not committed) answered by telling every
-- region. A revocation itself waits for nobody. One snapshot for a whole transaction cannot be fresh: all regions too.
create function capture_agent_keys() returns trigger language plpgsql as $$
declare
  in_motion text[];
begin
  if tg_op = 'DELETE' then
    perform touch_heads('agent-key', array(select id from old_rows), true);
    with still as materialized (
      select id from clusters where id in (select cluster_id from old_rows) for share skip locked
    )
    select array(
      select id from clusters where id in (select cluster_id from old_rows)
        and (id not in (select id from still) or current_setting('transaction_isolation') <> 'read committed')
    ) into in_motion;
    insert into outbox (kind, key, regions, cause, tightens)
      select 'agent-key', id,
        case when cluster_id = any(in_motion) then array(select r.id from regions r order by r.id)
          else regions_of_cluster(cluster_id) end,
        'row', true
      from old_rows order by id;
  elsif tg_op = 'INSERT' then
    perform touch_heads('agent-key', array(select id from new_rows), false);
    insert into outbox (kind, key, regions, cause, tightens)
      select 'agent-key', id, regions_of_cluster(cluster_id), 'row', false from new_rows order by id;
  else
    with changed as materialized (
      select n.id, n.cluster_id,
        (n.status <> 'active' and o.status = 'active')
          or n.verifier <> o.verifier
          or coalesce(n.expires_at, 'infinity') < coalesce(o.expires_at, 'infinity')
          or not (n.permissions @> o.permissions) as tightens
      from new_rows n join old_rows o using (id)
      where to_jsonb(n) - array['name', 'updated_at'] is distinct from to_jsonb(o) - array['name', 'updated_at']
    ), touched as materialized (
      select touch_heads('agent-key', array(select id from changed), false)
    )
    insert into outbox (kind, key, regions, cause, tightens)
      select 'agent-key', id, regions_of_cluster(cluster_id), 'row', tightens from changed, touched order by id;
  end if;
  perform pg_notify('spokecast_outbox', '');
  return null;
end $$;
--> statement-breakpoint

-- A placement is part of the cluster's context, so it is the cluster's head that moves. The contexts that follow the
-- cluster (its keys, its tenant) are bumped by the relay after commit, in chunks: `cause` tells it to.
create function capture_placements() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    update holdings h set until = now(), settled = false from old_rows o where h.cluster_id = o.cluster_id and h.region = o.region;
    perform touch_heads('cluster', array(select cluster_id from old_rows), null);
    insert into outbox (kind, key, regions, cause, tightens)
      select distinct 'cluster', cluster_id, regions_of_cluster(cluster_id), 'placement', true from old_rows;
  elsif tg_op = 'INSERT' then
    -- Keys of the cluster are not being deleted now: see capture_agent_keys.
    perform from clusters where id in (select cluster_id from new_rows) order by id for no key update;
    insert into holdings (cluster_id, region, tenant_id)
      select n.cluster_id, n.region, c.tenant_id from new_rows n join clusters c on c.id = n.cluster_id
      order by n.cluster_id, n.region
      on conflict (cluster_id, region) do update set until = null, settled = false, tenant_id = excluded.tenant_id;
    perform touch_heads('cluster', array(select cluster_id from new_rows), null);
    insert into outbox (kind, key, regions, cause, tightens)
      select distinct 'cluster', cluster_id, regions_of_cluster(cluster_id), 'placement', false from new_rows;
  else
    with changed as materialized (
      select distinct n.cluster_id from new_rows n join old_rows o using (cluster_id, region)
      where to_jsonb(n) is distinct from to_jsonb(o)
    ), touched as materialized (
      select touch_heads('cluster', array(select cluster_id from changed), null)
    )
    insert into outbox (kind, key, regions, cause, tightens)
      select 'cluster', cluster_id, regions_of_cluster(cluster_id), 'row', false from changed, touched order by cluster_id;
  end if;
  perform pg_notify('spokecast_outbox', '');
  return null;
end $$;
--> statement-breakpoint

create function notify_regions() returns trigger language plpgsql as $$
begin
  perform pg_notify('spokecast_regions', '');
  return null;
end $$;
--> statement-breakpoint

-- What a context is looked up by, and what decides where it goes, never changes: make a new one and delete the old.
create function refuse_changed_identity() returns trigger language plpgsql as $$
declare
  column_name text;
begin
  foreach column_name in array tg_argv loop
    if to_jsonb(old) ->> column_name is distinct from to_jsonb(new) ->> column_name then
      raise exception '%.% cannot be changed: create a new one and delete the old', tg_table_name, column_name
        using errcode = 'integrity_constraint_violation';
    end if;
  end loop;
  return new;
end $$;
--> statement-breakpoint

-- A head says what is true of its context until that is gone, and a holding until its placement is: without them
-- regions would be told that a living context never existed (law 9).
create function refuse_forgetting() returns trigger language plpgsql as $$
begin
  raise exception '% of % is refused: what it stands for is still there', tg_op, tg_table_name
    using errcode = 'integrity_constraint_violation';
end $$;
--> statement-breakpoint

-- TRUNCATE fires no row or transition triggers, so it would bypass the capture (laws 1 and 9).
create function refuse_truncate() returns trigger language plpgsql as $$
begin
  raise exception 'TRUNCATE of % is refused: regions would not be told. Use DELETE', tg_table_name
    using errcode = 'feature_not_supported';
end $$;
--> statement-breakpoint

do $$
declare
  captured text;
begin
  foreach captured in array array['tenants', 'clusters', 'agent_keys', 'placements'] loop
    execute format('create trigger capture_insert after insert on %1$I referencing new table as new_rows
      for each statement execute function capture_%1$s()', captured);
    execute format('create trigger capture_update after update on %1$I referencing old table as old_rows new table as new_rows
      for each statement execute function capture_%1$s()', captured);
    execute format('create trigger capture_delete after delete on %1$I referencing old table as old_rows
      for each statement execute function capture_%1$s()', captured);
    execute format('alter table %I enable always trigger capture_insert', captured);
    execute format('alter table %I enable always trigger capture_update', captured);
    execute format('alter table %I enable always trigger capture_delete', captured);
  end loop;
  foreach captured in array array['tenants', 'clusters', 'agent_keys', 'placements', 'regions', 'heads', 'holdings', 'outbox'] loop
    execute format('create trigger refuse_truncate before truncate on %I
      for each statement execute function refuse_truncate()', captured);
    execute format('alter table %I enable always trigger refuse_truncate', captured);
  end loop;
end $$;
--> statement-breakpoint

do $$
declare
  guarded record;
begin
  for guarded in select * from (values
    ('tenants', '''id'''), ('clusters', '''id'', ''tenant_id'''), ('agent_keys', '''id'', ''cluster_id'''),
    ('placements', '''cluster_id'', ''region'''), ('regions', '''id''')) v (name, columns) loop
    execute format('create trigger refuse_changed_identity before update on %I
      for each row execute function refuse_changed_identity(%s)', guarded.name, guarded.columns);
    execute format('alter table %I enable always trigger refuse_changed_identity', guarded.name);
  end loop;
  for guarded in select * from (values ('heads', 'not old.deleted'), ('holdings', 'old.until is null')) v (name, living) loop
    execute format('create trigger refuse_forgetting before delete on %I
      for each row when (%s) execute function refuse_forgetting()', guarded.name, guarded.living);
    execute format('alter table %I enable always trigger refuse_forgetting', guarded.name);
  end loop;
end $$;
--> statement-breakpoint
create trigger notify_regions after insert or update or delete on regions
  for each statement execute function notify_regions();
