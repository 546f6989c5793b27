-- Who wrote tells who listens: docs/adr/0048-notify-after-commit.md. Postgres commits transactions that have notified
-- one after the other, each with its own flush to the disk, so whoever promises to notify once it has committed is
-- spared that. Everybody else (`psql`, a script, an older build) notifies in the transaction, as before.
create function hint(channel text) returns void language plpgsql as $$
begin
  if coalesce(current_setting('spokecast.notify', true), '') <> 'after-commit' then
    perform pg_notify(channel, '');
  end if;
end $$;
--> statement-breakpoint
create or replace function hint_events() returns trigger language plpgsql as $$
begin
  perform hint('spokecast_events');
  return null;
end $$;
--> statement-breakpoint

-- In one place for every outbox row, whoever writes it, instead of in each function that does.
create function hint_outbox() returns trigger language plpgsql as $$
begin
  perform hint('spokecast_outbox');
  return null;
end $$;
--> statement-breakpoint
create trigger hint_outbox after insert on outbox for each statement execute function hint_outbox();
--> statement-breakpoint
alter table outbox enable always trigger hint_outbox;
--> statement-breakpoint

-- Those functions as they are, without that line.
do $$
declare
  writer regprocedure;
begin
  for writer in
    select oid::regprocedure from pg_proc
    where pronamespace = 'public'::regnamespace and prosrc like '%perform pg\_notify(''spokecast\_outbox'', '''');%'
  loop
    execute replace(pg_get_functiondef(writer), 'perform pg_notify(''spokecast_outbox'', '''');', '');
  end loop;
end $$;
