-- What follows placements, for several clusters in one statement: a thousand clusters made at once, each cascaded by
-- itself, took a minute. As in 0008_cascades.sql (whose functions older publishers still call) each of these is a
-- transaction by itself; `fences` holds, for each cluster, the fences that what is done for it is counted to.
-- Outbox rows are written by one statement at the end, so that fences are locked in one order and for a moment only.

-- Their tenants. All that is judged is judged before anything is marked as settled.
create function cascade_to_tenants(cluster_ids text[], leaving boolean[], fences text[], lock_timeout_ms integer)
returns void language plpgsql as $$
declare
  placed_clusters text[];
  placed_tenants text[];
  placed_regions text[]; -- null: it was placed there once
  bumped text[];
begin
  perform begin_step('', lock_timeout_ms);
  select array_agg(cluster_id), array_agg(tenant_id), array_agg(case when until is null then region end)
    into placed_clusters, placed_tenants, placed_regions
    from (
      select * from holdings where cluster_id = any(cluster_ids) order by cluster_id, region for update) held;
  bumped := array(
    select distinct p.tenant_id
    from unnest(placed_clusters, placed_tenants, placed_regions) as p (cluster_id, tenant_id, region)
    join unnest(cluster_ids, leaving) as w (cluster_id, leaves) using (cluster_id)
    where w.leaves or (p.region is not null and not exists (
      select from holdings other
      where other.tenant_id = p.tenant_id and other.region = p.region and other.settled
        and other.until is null and other.cluster_id <> p.cluster_id)));
  perform touch_heads('tenant', array(select key from heads where kind = 'tenant' and key = any(bumped)), null);
  update holdings h set settled = true
    from unnest(placed_clusters, placed_regions) as p (cluster_id, region)
    where h.cluster_id = p.cluster_id and h.region = p.region and not h.settled;
  insert into outbox (kind, key, regions, cause, tightens, fences)
    select 'tenant', b.tenant_id, held.regions, 'dependent', false, (
        select array_agg(distinct fence)
        from unnest(placed_clusters, placed_tenants) as p (cluster_id, tenant_id)
        join unnest(cluster_ids, fences) as w (cluster_id, fences) using (cluster_id)
        cross join unnest(string_to_array(nullif(w.fences, ''), ',')) fence
        where p.tenant_id = b.tenant_id)
    from unnest(bumped) as b (tenant_id), lateral (
      -- One look into the index a region: a tenant may have any number of clusters in each.
      select array_agg(r.id order by r.id) as regions from regions r
      where (
        select true from holdings h
        where h.tenant_id = b.tenant_id and h.region = r.id and h.until is null limit 1)) held
    where held.regions is not null
    order by b.tenant_id;
  perform pg_notify('spokecast_outbox', '');
end $$;
--> statement-breakpoint

-- Bumps their next keys, in the order of keys; returns the last of them, or null where no more than these are left.
create function cascade_to_keys_of(
  cluster_ids text[], fences text[], beyond text, chunk integer, lock_timeout_ms integer)
returns text language plpgsql as $$
declare
  keys text[];
  owners text[];
begin
  perform begin_step('', lock_timeout_ms);
  select array_agg(id order by id), array_agg(cluster_id order by id) into keys, owners
    from (
      select id, cluster_id from agent_keys
      where cluster_id = any(cluster_ids) and id > beyond order by id limit chunk) next;
  if keys is null then
    return null;
  end if;
  perform touch_heads('agent-key', keys, null);
  insert into outbox (kind, key, regions, cause, tightens, fences)
    select 'agent-key', k.id, held.regions, 'dependent', false, string_to_array(nullif(w.fences, ''), ',')
    from unnest(keys, owners) as k (id, cluster_id)
    join unnest(cluster_ids, fences) as w (cluster_id, fences) using (cluster_id)
    join lateral (
      select array_agg(region order by region) as regions from holdings h
      where h.cluster_id = k.cluster_id and h.until is null) held on held.regions is not null
    order by k.id;
  perform pg_notify('spokecast_outbox', '');
  return case when cardinality(keys) = chunk then keys[chunk] end;
end $$;
