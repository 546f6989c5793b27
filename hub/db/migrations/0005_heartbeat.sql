-- A row a region that only ever changes (docs/adr/0015-heartbeat.md), captured as every other (0001_capture.sql).

CREATE TABLE "heartbeats" (
	"region" text collate "C" PRIMARY KEY NOT NULL,
	"beat_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "heartbeats" ADD CONSTRAINT "heartbeats_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint

create function capture_heartbeats() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    perform touch_heads('heartbeat', array(select region from old_rows), true);
    insert into outbox (kind, key, regions, cause, tightens)
      select 'heartbeat', region, array[region], 'row', false from old_rows order by region;
  elsif tg_op = 'INSERT' then
    perform touch_heads('heartbeat', array(select region from new_rows), false);
    insert into outbox (kind, key, regions, cause, tightens)
      select 'heartbeat', region, array[region], 'row', false from new_rows order by region;
  else
    with changed as materialized (
      select n.region from new_rows n join old_rows o using (region)
      where to_jsonb(n) is distinct from to_jsonb(o)
    ), touched as materialized (
      select touch_heads('heartbeat', array(select region from changed), false)
    )
    insert into outbox (kind, key, regions, cause, tightens)
      select 'heartbeat', region, array[region], 'row', false from changed, touched order by region;
  end if;
  perform pg_notify('spokecast_outbox', '');
  return null;
end $$;
--> statement-breakpoint
create trigger capture_insert after insert on heartbeats referencing new table as new_rows
  for each statement execute function capture_heartbeats();
--> statement-breakpoint
create trigger capture_update after update on heartbeats referencing old table as old_rows new table as new_rows
  for each statement execute function capture_heartbeats();
--> statement-breakpoint
create trigger capture_delete after delete on heartbeats referencing old table as old_rows
  for each statement execute function capture_heartbeats();
--> statement-breakpoint
create trigger refuse_truncate before truncate on heartbeats
  for each statement execute function refuse_truncate();
--> statement-breakpoint
create trigger refuse_changed_identity before update on heartbeats
  for each row execute function refuse_changed_identity('region');
--> statement-breakpoint
alter table heartbeats enable always trigger capture_insert, enable always trigger capture_update,
  enable always trigger capture_delete, enable always trigger refuse_truncate,
  enable always trigger refuse_changed_identity;
