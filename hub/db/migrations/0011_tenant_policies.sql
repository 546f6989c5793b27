ALTER TABLE "tenants" ADD COLUMN "clusters_max" integer;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "agent_keys_max" integer;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "regions_max" integer;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "allowed_regions" text[] collate "C";--> statement-breakpoint
ALTER TABLE "tenants" ADD CONSTRAINT "tenants_quotas" CHECK ("tenants"."clusters_max" >= 0 and "tenants"."agent_keys_max" >= 0 and "tenants"."regions_max" >= 0);--> statement-breakpoint
-- Quotas and residency hold whoever writes. A count is taken after the rows are there and while the tenant's row is
-- locked, so that of two writers at once the later one counts the earlier one's rows. Only a transaction that takes a
-- new snapshot for each statement sees those: others are refused where there is something to keep.
create function lock_policies(tenants_concerned text[]) returns void language plpgsql as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'tenants with quotas are written to in read committed transactions only'
      using errcode = 'feature_not_supported';
  end if;
  perform from tenants where id = any(tenants_concerned collate "C") order by id for no key update;
end $$;
--> statement-breakpoint
create function keep_quota_clusters() returns trigger language plpgsql as $$
declare
  concerned text[] := array(
    select id from tenants where id in (select tenant_id from new_rows) and clusters_max is not null);
  beyond record;
begin
  if concerned = '{}' then return null; end if;
  perform lock_policies(concerned);
  select t.id, t.clusters_max as quota into beyond from tenants t
    where t.id = any(concerned collate "C")
      and t.clusters_max < (select count(*) from clusters c where c.tenant_id = t.id) limit 1;
  if found then
    raise exception 'the tenant % has its % clusters', beyond.id, beyond.quota
      using errcode = 'check_violation', constraint = 'quota_clusters';
  end if;
  return null;
end $$;
--> statement-breakpoint
create function keep_quota_agent_keys() returns trigger language plpgsql as $$
declare
  concerned text[] := array(
    select distinct t.id from new_rows n join clusters c on c.id = n.cluster_id join tenants t on t.id = c.tenant_id
    where t.agent_keys_max is not null);
  beyond record;
begin
  if concerned = '{}' then return null; end if;
  perform lock_policies(concerned);
  select t.id, t.agent_keys_max as quota into beyond from tenants t
    where t.id = any(concerned collate "C")
      and t.agent_keys_max < (select count(*) from agent_keys k join clusters c on c.id = k.cluster_id
        where c.tenant_id = t.id) limit 1;
  if found then
    raise exception 'the tenant % has its % agent keys', beyond.id, beyond.quota
      using errcode = 'check_violation', constraint = 'quota_agent_keys';
  end if;
  return null;
end $$;
--> statement-breakpoint

-- At the end of the transaction, because a cluster is placed anew before it is taken away where it was.
create function keep_quota_regions() returns trigger language plpgsql as $$
declare
  concerned text;
  beyond record;
begin
  select t.id into concerned from clusters c join tenants t on t.id = c.tenant_id
    where c.id = new.cluster_id and t.regions_max is not null;
  if not found then return null; end if;
  perform lock_policies(array[concerned]);
  select t.id, t.regions_max as quota into beyond from tenants t
    where t.id = concerned
      and t.regions_max < (select count(distinct p.region) from placements p join clusters c on c.id = p.cluster_id
        where c.tenant_id = t.id);
  if found then
    raise exception 'the tenant % has its % regions', beyond.id, beyond.quota
      using errcode = 'check_violation', constraint = 'quota_regions';
  end if;
  return null;
end $$;
--> statement-breakpoint

-- The tenant's row is locked against a change of its policy, also where there is none yet. A shared lock where there is
-- nothing to count, so that the tenant's writers do not wait for each other.
create function keep_residency_of_placements() returns trigger language plpgsql as $$
declare
  outside record;
begin
  perform from tenants where id in (select c.tenant_id from new_rows n join clusters c on c.id = n.cluster_id)
    and regions_max is not null order by id for no key update;
  perform from tenants where id in (select c.tenant_id from new_rows n join clusters c on c.id = n.cluster_id)
    and regions_max is null order by id for share;
  select t.id, n.region, t.allowed_regions into outside
    from new_rows n join clusters c on c.id = n.cluster_id join tenants t on t.id = c.tenant_id
    where not n.region = any(t.allowed_regions) order by n.region limit 1;
  if found then
    raise exception 'clusters of the tenant % may not be placed in %, only in: %',
        outside.id, outside.region, array_to_string(outside.allowed_regions, ', ')
      using errcode = 'check_violation', constraint = 'residency';
  end if;
  return null;
end $$;
--> statement-breakpoint
create function keep_residency_of_tenants() returns trigger language plpgsql as $$
declare
  outside record;
begin
  if current_setting('transaction_isolation') <> 'read committed'
      and exists (select from new_rows n join old_rows o using (id)
        where n.allowed_regions is distinct from o.allowed_regions) then
    raise exception 'where tenants may be is changed in read committed transactions only'
      using errcode = 'feature_not_supported';
  end if;
  select n.id, p.region, count(*) as clusters into outside
    from new_rows n join old_rows o using (id) join clusters c on c.tenant_id = n.id join placements p on p.cluster_id = c.id
    where n.allowed_regions is distinct from o.allowed_regions and not p.region = any(n.allowed_regions)
    group by n.id, p.region order by p.region limit 1;
  if found then
    raise exception '% cluster(s) of the tenant % are placed in %: move them first',
        outside.clusters, outside.id, outside.region
      using errcode = 'check_violation', constraint = 'residency_policy';
  end if;
  return null;
end $$;
--> statement-breakpoint
create trigger keep_quota_clusters after insert on clusters referencing new table as new_rows
  for each statement execute function keep_quota_clusters();
--> statement-breakpoint
create trigger keep_quota_agent_keys after insert on agent_keys referencing new table as new_rows
  for each statement execute function keep_quota_agent_keys();
--> statement-breakpoint
create constraint trigger keep_quota_regions after insert on placements deferrable initially deferred
  for each row execute function keep_quota_regions();
--> statement-breakpoint
create trigger keep_residency after insert on placements referencing new table as new_rows
  for each statement execute function keep_residency_of_placements();
--> statement-breakpoint
create trigger keep_residency after update on tenants referencing old table as old_rows new table as new_rows
  for each statement execute function keep_residency_of_tenants();
--> statement-breakpoint
alter table clusters enable always trigger keep_quota_clusters;
--> statement-breakpoint
alter table agent_keys enable always trigger keep_quota_agent_keys;
--> statement-breakpoint
alter table placements enable always trigger keep_quota_regions;
--> statement-breakpoint
alter table placements enable always trigger keep_residency;
--> statement-breakpoint
alter table tenants enable always trigger keep_residency;
