-- What the publisher does of its own accord to rows that requests change too: each a statement by itself. A publisher
-- that freezes between two statements of a transaction keeps its locks until the server ends its session; a revocation
-- of a key that it was just bumping would wait for as long. Whatever waits for a client holds nothing here.
-- They are called from hub/db/cascade.ts and hub/db/outbox.ts, where it is said what each is for.

-- Counts what follows in this transaction to those fences, and gives up on a lock that somebody else holds for longer.
create function begin_step(fences text, lock_timeout_ms integer) returns void language plpgsql as $$
begin
  perform set_config('lock_timeout', lock_timeout_ms::text, true);
  if fences <> '' then
    perform set_config('spokecast.fences', fences, true);
  end if;
end $$;
--> statement-breakpoint

create function cascade_to_tenant(cluster text, leaves boolean, fences text, lock_timeout_ms integer)
returns void language plpgsql as $$
declare
  tenant text;
  live text[];
begin
  perform begin_step(fences, lock_timeout_ms);
  select min(tenant_id), coalesce(array_agg(region order by region) filter (where until is null), '{}')
    into tenant, live
    from (select * from holdings where cluster_id = cluster order by region for update) held;
  if tenant is null then
    return;
  end if;
  if leaves or exists (
    select from unnest(live) as placed (region) where not exists (
      select from holdings other
      where other.tenant_id = tenant and other.region = placed.region and other.settled
        and other.until is null and other.cluster_id <> cluster)) then
    perform touch_heads('tenant', array(select key from heads where kind = 'tenant' and key = tenant), null);
    insert into outbox (kind, key, regions, cause, tightens)
      select 'tenant', tenant, held.regions, 'dependent', false
      from (
        select array_agg(distinct region) as regions from holdings
        where tenant_id = tenant and until is null) held
      where held.regions is not null;
    perform pg_notify('spokecast_outbox', '');
  end if;
  update holdings set settled = true where cluster_id = cluster and region = any(live);
end $$;
--> statement-breakpoint

-- Bumps the next keys of a cluster; returns the last of them, or null where there are no more.
create function cascade_to_keys(cluster text, beyond text, chunk integer, fences text, lock_timeout_ms integer)
returns text language plpgsql as $$
declare
  keys text[];
begin
  perform begin_step(fences, lock_timeout_ms);
  keys := array(select id from agent_keys where cluster_id = cluster and id > beyond order by id limit chunk);
  if cardinality(keys) = 0 then
    return null;
  end if;
  perform touch_heads('agent-key', keys, null);
  insert into outbox (kind, key, regions, cause, tightens)
    select 'agent-key', k, held.regions, 'dependent', false
    from unnest(keys) k, (
      select array_agg(region order by region) as regions from holdings
      where cluster_id = cluster and until is null) held
    where held.regions is not null;
  perform pg_notify('spokecast_outbox', '');
  return keys[cardinality(keys)];
end $$;
--> statement-breakpoint

create function cascade_departure(cluster text, tightening boolean, fences text, lock_timeout_ms integer)
returns void language plpgsql as $$
declare
  tenant text := (select tenant_id from holdings where cluster_id = cluster limit 1); -- they outlive the cluster
  left_regions text[];
  left_by_tenant text[];
begin
  perform begin_step(fences, lock_timeout_ms);
  left_regions := array(
    select region from holdings where cluster_id = cluster and until > now() - interval '1 day' order by region);
  left_by_tenant := array(
    select distinct region from holdings h where h.tenant_id = tenant and h.until > now() - interval '1 day'
      and not exists (select from holdings o where o.tenant_id = tenant and o.region = h.region and o.until is null)
    order by region);
  if cardinality(left_regions) > 0 then
    insert into outbox (kind, key, regions, cause, tightens)
      select 'agent-key', k.id, left_regions, 'dependent', tightening
      from agent_keys k where k.cluster_id = cluster order by k.id;
    insert into outbox (kind, key, regions, cause, tightens)
      values ('cluster', cluster, left_regions, 'dependent', tightening);
  end if;
  if cardinality(left_by_tenant) > 0 then
    insert into outbox (kind, key, regions, cause, tightens)
      values ('tenant', tenant, left_by_tenant, 'dependent', tightening);
  end if;
  perform pg_notify('spokecast_outbox', '');
end $$;
--> statement-breakpoint

-- A fresh revision for each of these that has a head, and an outbox row for every region.
create function draw_revisions(context_kind text, context_keys text[]) returns void language plpgsql as $$
declare
  known text[] := array(select key from heads where kind = context_kind and key = any(context_keys));
begin
  perform touch_heads(context_kind, known, null);
  insert into outbox (kind, key, regions, cause, tightens)
    select context_kind, k, '{}', 'repair', false from unnest(known) k;
  perform pg_notify('spokecast_outbox', '');
end $$;
