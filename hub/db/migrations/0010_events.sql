CREATE TABLE "event_stream" (
	"one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"last" bigint DEFAULT 0 NOT NULL,
	"trimmed" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "events" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "events_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"position" bigint,
	"at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"tenant_id" text collate "C",
	"audit_entry" text collate "C",
	"fence" text collate "C",
	"step" text,
	"region" text collate "C"
);
--> statement-breakpoint
ALTER TABLE "fence_regions" ADD COLUMN "stored_at" timestamp with time zone;--> statement-breakpoint
CREATE UNIQUE INDEX "events_position" ON "events" USING btree ("position") WHERE position is not null;--> statement-breakpoint
CREATE INDEX "events_unplaced" ON "events" USING btree ("id") WHERE position is null;--> statement-breakpoint

insert into event_stream default values;
--> statement-breakpoint

create function tell_audit() returns trigger language plpgsql as $$
begin
  insert into events (tenant_id, audit_entry, fence)
    select tenant_id, id, substring(current_setting('spokecast.fences', true) from '^fen_[0-9a-z]+$')
    from new_rows order by id;
  return null;
end $$;
--> statement-breakpoint
create trigger tell_audit after insert on audit_log referencing new table as new_rows
  for each statement execute function tell_audit();
--> statement-breakpoint

create function tell_relayed() returns trigger language plpgsql as $$
begin
  insert into events (tenant_id, fence, step) values (new.tenant_id, new.id, 'relayed');
  return null;
end $$;
--> statement-breakpoint
-- Again where the cascade has written more after all was relayed: the change has reached further contexts since.
create trigger tell_relayed after update on fences for each row
  when (old.rows_relayed < old.rows_written and new.rows_relayed >= new.rows_written)
  execute function tell_relayed();
--> statement-breakpoint

create function tell_region() returns trigger language plpgsql as $$
begin
  insert into events (tenant_id, fence, region, step)
    select f.tenant_id, f.id, new.region, step
    from fences f, unnest(array['stored', 'seen']) with ordinality as steps(step, place)
    where f.id = new.fence and case step
      when 'stored' then old.stored_at is null and new.stored_at is not null
      else old.seen_at is null and new.seen_at is not null end
    order by place;
  return null;
end $$;
--> statement-breakpoint
create trigger tell_region after update on fence_regions for each row
  when (old.stored_at is distinct from new.stored_at or old.seen_at is distinct from new.seen_at)
  execute function tell_region();
--> statement-breakpoint

create function hint_events() returns trigger language plpgsql as $$
begin
  perform pg_notify('spokecast_events', '');
  return null;
end $$;
--> statement-breakpoint
create trigger hint_events after insert on events for each statement execute function hint_events();
--> statement-breakpoint

-- Places what has committed since, at most so many, and tells how far the stream is. One at a time: the lock is held
-- until the positions have committed, so that nobody who reads up to one ever finds another below it later. Events
-- that are placed together go by `id`: of two changes of one thing the later one drew it after the earlier committed.
create function place_events(most integer) returns bigint language plpgsql as $$
declare
  behind bigint;
  placed bigint;
begin
  select last into strict behind from event_stream for update;
  with next as (
    select id, row_number() over (order by id) as place
    from (select id from events where position is null order by id limit most) unplaced
  )
  update events e set position = behind + next.place from next where e.id = next.id;
  get diagnostics placed = row_count;
  if placed > 0 then
    update event_stream set last = behind + placed;
  end if;
  return behind + placed;
end $$;
--> statement-breakpoint

-- Removes the oldest events, at most so many, that are older than that, and notes how far. Returns how many went.
create function trim_events(most integer, older interval) returns integer language plpgsql as $$
declare
  edge bigint;
  removed integer;
begin
  perform place_events(most);
  select max(position) into edge
  from (select position, at from events where position is not null order by position limit most) oldest
  where at < clock_timestamp() - older;
  if edge is null then
    return 0;
  end if;
  delete from events where position <= edge;
  get diagnostics removed = row_count;
  update event_stream set trimmed = edge;
  return removed;
end $$;
