DROP INDEX "holdings_tenant";--> statement-breakpoint
DROP INDEX "outbox_order";--> statement-breakpoint
DROP INDEX "agent_keys_search";--> statement-breakpoint
DROP INDEX "clusters_search";--> statement-breakpoint
DROP INDEX "tenants_search";--> statement-breakpoint
ALTER TABLE "agent_keys" ADD COLUMN "tenant_id" text collate "C";--> statement-breakpoint

-- No context is built from it, so nothing is told to regions: a million keys would be published anew for nothing. The
-- table is locked until the migration has committed, so nobody's change escapes the triggers that are off meanwhile.
lock table agent_keys in access exclusive mode;
--> statement-breakpoint
alter table agent_keys disable trigger user;
--> statement-breakpoint
update agent_keys k set tenant_id = c.tenant_id from clusters c where c.id = k.cluster_id;
--> statement-breakpoint
alter table agent_keys enable trigger user;
--> statement-breakpoint
-- As they were: also for those who say that they are replicas.
alter table agent_keys enable always trigger capture_insert;
--> statement-breakpoint
alter table agent_keys enable always trigger capture_update;
--> statement-breakpoint
alter table agent_keys enable always trigger capture_delete;
--> statement-breakpoint
alter table agent_keys enable always trigger refuse_truncate;
--> statement-breakpoint
alter table agent_keys enable always trigger keep_quota_agent_keys;
--> statement-breakpoint
ALTER TABLE "agent_keys" ALTER COLUMN "tenant_id" SET NOT NULL;--> statement-breakpoint

-- Whoever writes, also a build that does not know of it. A cluster that is not there is for the foreign key to refuse.
create function set_tenant_of_agent_key() returns trigger language plpgsql as $$
begin
  new.tenant_id := coalesce((select c.tenant_id from clusters c where c.id = new.cluster_id), '');
  return new;
end $$;
--> statement-breakpoint
create trigger set_tenant before insert on agent_keys
  for each row execute function set_tenant_of_agent_key();
--> statement-breakpoint
alter table agent_keys enable always trigger set_tenant;
--> statement-breakpoint
drop trigger refuse_changed_identity on agent_keys;
--> statement-breakpoint
create trigger refuse_changed_identity before update on agent_keys
  for each row execute function refuse_changed_identity('id', 'cluster_id', 'tenant_id');
--> statement-breakpoint
alter table agent_keys enable always trigger refuse_changed_identity;
--> statement-breakpoint

CREATE INDEX "agent_keys_tenant" ON "agent_keys" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "agent_keys_cluster_name" ON "agent_keys" USING btree ("cluster_id","name");--> statement-breakpoint
CREATE INDEX "agent_keys_by_name" ON "agent_keys" USING btree ((lower("name") collate "C"),"id");--> statement-breakpoint
CREATE INDEX "agent_keys_tenant_by_name" ON "agent_keys" USING btree ("tenant_id",(lower("name") collate "C"),"id");--> statement-breakpoint
CREATE INDEX "agent_keys_disabled" ON "agent_keys" USING btree ("id") WHERE status <> 'active';--> statement-breakpoint
CREATE INDEX "agent_keys_tenant_disabled" ON "agent_keys" USING btree ("tenant_id","id") WHERE status <> 'active';--> statement-breakpoint
CREATE INDEX "clusters_tenant" ON "clusters" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "clusters_by_name" ON "clusters" USING btree ((lower("name") collate "C"),"id");--> statement-breakpoint
CREATE INDEX "clusters_tenant_by_name" ON "clusters" USING btree ("tenant_id",(lower("name") collate "C"),"id");--> statement-breakpoint
CREATE INDEX "clusters_disabled" ON "clusters" USING btree ("id") WHERE status <> 'active';--> statement-breakpoint
CREATE INDEX "clusters_tenant_disabled" ON "clusters" USING btree ("tenant_id","id") WHERE status <> 'active';--> statement-breakpoint
CREATE INDEX "holdings_tenant" ON "holdings" USING btree ("tenant_id","region","cluster_id");--> statement-breakpoint
CREATE INDEX "holdings_ended" ON "holdings" USING btree ("until") WHERE until is not null;--> statement-breakpoint
CREATE INDEX "holdings_tenant_ended" ON "holdings" USING btree ("tenant_id","region") WHERE until is not null;--> statement-breakpoint
CREATE INDEX "outbox_placements" ON "outbox" USING btree ("tightens" DESC NULLS FIRST,"id") WHERE cause = 'placement';--> statement-breakpoint
CREATE INDEX "outbox_all_else" ON "outbox" USING btree ("tightens" DESC NULLS FIRST,"id") WHERE cause <> 'placement';--> statement-breakpoint
CREATE INDEX "sweeps_requested" ON "sweeps" USING btree ("requested_at");--> statement-breakpoint
CREATE INDEX "tenants_residency" ON "tenants" USING btree ("id") WHERE allowed_regions is not null;--> statement-breakpoint
CREATE INDEX "tenants_by_name" ON "tenants" USING btree ((lower("name") collate "C"),"id");--> statement-breakpoint
CREATE INDEX "tenants_suspended" ON "tenants" USING btree ("id") WHERE status <> 'active';--> statement-breakpoint
CREATE INDEX "audit_log_action" ON "audit_log" USING btree ("action","id");--> statement-breakpoint
CREATE INDEX "audit_log_actor" ON "audit_log" USING btree ("actor_id","id");--> statement-breakpoint
CREATE INDEX "sessions_expires" ON "sessions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "application_keys_role" ON "application_keys" USING btree ("role","id");--> statement-breakpoint
CREATE INDEX "application_keys_disabled" ON "application_keys" USING btree ("id") WHERE status <> 'active';
--> statement-breakpoint

-- By the keys' own column: counting what a tenant has looks at one index, and at no cluster.
create or replace function keep_quota_agent_keys() returns trigger language plpgsql as $$
declare
  concerned text[] := array(
    select t.id from (select distinct tenant_id from new_rows) n join tenants t on t.id = n.tenant_id
    where t.agent_keys_max is not null);
  beyond record;
begin
  if concerned = '{}' then return null; end if;
  perform lock_policies(concerned);
  select t.id, t.agent_keys_max as quota into beyond from tenants t
    where t.id = any(concerned collate "C")
      and t.agent_keys_max < (select count(*) from agent_keys k where k.tenant_id = t.id) limit 1;
  if found then
    raise exception 'the tenant % has its % agent keys', beyond.id, beyond.quota
      using errcode = 'check_violation', constraint = 'quota_agent_keys';
  end if;
  return null;
end $$;
--> statement-breakpoint

-- Region by region, each as soon as one of the tenant's clusters is found in it: however many there are. The order is
-- the index's: without it, Postgres hopes to find one soon in the table, and reads all of it where there is none.
create or replace function regions_of_tenant(tenant text) returns text[]
language sql stable as $$
  select coalesce(array_agg(r.id order by r.id), '{}') from regions r cross join lateral (
    select from holdings h where h.tenant_id = tenant and h.region = r.id
      and (h.until is null or h.until > now() - interval '1 day')
      order by h.cluster_id limit 1) held;
$$;
--> statement-breakpoint
create or replace function keep_quota_regions() returns trigger language plpgsql as $$
declare
  concerned text;
  beyond record;
begin
  select t.id into concerned from clusters c join tenants t on t.id = c.tenant_id
    where c.id = new.cluster_id and t.regions_max is not null;
  if not found then return null; end if;
  perform lock_policies(array[concerned]);
  select t.id, t.regions_max as quota into beyond from tenants t
    where t.id = concerned and t.regions_max < (
      select count(*) from regions r cross join lateral (
        select from holdings h where h.tenant_id = t.id and h.region = r.id and h.until is null
        order by h.cluster_id limit 1) held);
  if found then
    raise exception 'the tenant % has its % regions', beyond.id, beyond.quota
      using errcode = 'check_violation', constraint = 'quota_regions';
  end if;
  return null;
end $$;
--> statement-breakpoint

-- As in 0008_cascades.sql and 0010_events.sql, where they are explained; here they look at as much as they need.
create or replace function cascade_to_tenant(cluster text, leaves boolean, fences text, lock_timeout_ms integer)
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
    select from unnest(live) as placed (region) left join lateral (
      select true as found from holdings other
      where other.tenant_id = tenant and other.region = placed.region and other.settled
        and other.until is null and other.cluster_id <> cluster
      order by other.cluster_id limit 1) another on true
    where another.found is null) then
    perform touch_heads('tenant', array(select key from heads where kind = 'tenant' and key = tenant), null);
    insert into outbox (kind, key, regions, cause, tightens)
      select 'tenant', tenant, held.regions, 'dependent', false
      from (
        select array_agg(r.id) as regions from regions r cross join lateral (
          select from holdings h where h.tenant_id = tenant and h.region = r.id and h.until is null
          order by h.cluster_id limit 1) one) held
      where held.regions is not null;
    perform pg_notify('spokecast_outbox', '');
  end if;
  update holdings set settled = true where cluster_id = cluster and region = any(live);
end $$;
--> statement-breakpoint
create or replace function cascade_departure(cluster text, tightening boolean, fences text, lock_timeout_ms integer)
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
    select r.id from regions r
    cross join lateral (
      select from holdings h
      where h.tenant_id = tenant and h.region = r.id and h.until > now() - interval '1 day' limit 1) ended
    left join lateral (
      select true as found from holdings h
      where h.tenant_id = tenant and h.region = r.id and h.until is null
      order by h.cluster_id limit 1) going on true
    where going.found is null order by r.id);
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
create or replace function trim_events(most integer, older interval) returns integer language plpgsql as $$
declare
  behind bigint;
  edge bigint;
  removed integer;
begin
  perform place_events(most);
  select trimmed into strict behind from event_stream;
  select max(position) into edge
  from (select position, at from events where position is not null order by position limit most) oldest
  where at < clock_timestamp() - older;
  if edge is null then
    return 0;
  end if;
  delete from events where position > behind and position <= edge; -- between two, or a kept plan reads them all
  get diagnostics removed = row_count;
  update event_stream set trimmed = edge;
  return removed;
end $$;
