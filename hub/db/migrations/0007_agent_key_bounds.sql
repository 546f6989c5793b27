ALTER TABLE "agent_keys" ADD COLUMN "restricted_verifier" text;--> statement-breakpoint
ALTER TABLE "agent_keys" ADD COLUMN "retiring" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "agent_keys" ADD COLUMN "allowed_networks" "cidr"[];--> statement-breakpoint
ALTER TABLE "agent_keys" ADD COLUMN "rate_limit" integer;--> statement-breakpoint
ALTER TABLE "agent_keys" ADD COLUMN "rate_window_ms" integer;--> statement-breakpoint
ALTER TABLE "agent_keys" ADD CONSTRAINT "agent_keys_restricted" CHECK (case when "agent_keys"."allowed_networks" is null then "agent_keys"."restricted_verifier" is null
        else "agent_keys"."restricted_verifier" is not null and "agent_keys"."verifier" = repeat('-', 43) end);--> statement-breakpoint
ALTER TABLE "agent_keys" ADD CONSTRAINT "agent_keys_rate" CHECK (coalesce("agent_keys"."rate_limit" > 0 and "agent_keys"."rate_window_ms" > 0, "agent_keys"."rate_limit" is null and "agent_keys"."rate_window_ms" is null));
--> statement-breakpoint

-- As in 0001_capture.sql, where it is explained; here it also knows what narrows a key that has bounds.
create or replace function capture_agent_keys() returns trigger language plpgsql as $$
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
          or n.restricted_verifier is distinct from o.restricted_verifier
          or n.retiring is distinct from o.retiring
          or coalesce(n.expires_at, 'infinity') < coalesce(o.expires_at, 'infinity')
          or not (n.permissions @> o.permissions)
          or (n.allowed_networks is not null and (o.allowed_networks is null or exists (
            select from unnest(o.allowed_networks) was
            where not exists (select from unnest(n.allowed_networks) still where was <<= still))))
          or (n.rate_limit is not null and (o.rate_limit is null
            or n.rate_limit < o.rate_limit or n.rate_window_ms > o.rate_window_ms)) as tightens
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
