CREATE TABLE "region_runs" (
	"region" text collate "C" PRIMARY KEY NOT NULL,
	"run" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "seedings" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"region" text collate "C" NOT NULL,
	"cause" text NOT NULL,
	"phase" text DEFAULT 'waiting' NOT NULL,
	"fresh" text,
	"cursor" jsonb,
	"total" integer,
	"filled" integer DEFAULT 0 NOT NULL,
	"checked" integer DEFAULT 0 NOT NULL,
	"sweeps" integer DEFAULT 0 NOT NULL,
	"error" text,
	"requested_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"started_at" timestamp with time zone,
	"progressed_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	CONSTRAINT "seedings_cause" CHECK ("seedings"."cause" in ('added', 'lost', 'requested')),
	CONSTRAINT "seedings_phase" CHECK ("seedings"."phase" in ('waiting', 'filling', 'checking', 'finished'))
);
--> statement-breakpoint
ALTER TABLE "regions" DROP CONSTRAINT "regions_status";--> statement-breakpoint
ALTER TABLE "hub_state" ADD COLUMN "run" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "hub_state" ADD COLUMN "run_mark" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "hub_state" ADD COLUMN "run_first" bigint DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "hub_state" ADD COLUMN "buried" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "region_runs" ADD CONSTRAINT "region_runs_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "seedings" ADD CONSTRAINT "seedings_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "seedings_unfinished" ON "seedings" USING btree ("region") WHERE "seedings"."finished_at" is null;--> statement-breakpoint
CREATE INDEX "seedings_region" ON "seedings" USING btree ("region","id");--> statement-breakpoint
ALTER TABLE "regions" ADD CONSTRAINT "regions_status" CHECK ("regions"."status" in ('seeding', 'active', 'draining', 'disabled'));--> statement-breakpoint

-- A hub that was restored from a backup, or failed over to a standby that lacked the last commits, draws revisions
-- again that regions have seen with other contents. It is told by its runs: a run ends when the server stops or the
-- tables are restored, and only across its end can committed revisions be lost. The first revision drawn in a new run
-- notes, before it is drawn, the first number that nothing committed has: where a region remembers that number or a
-- later one before it was published to in this run, history was lost (publisher/run.ts, docs/adr/0013-restore.md).
create function current_run_mark() returns text
language sql stable as $$
  select concat_ws(' ', (select oid from pg_database where datname = current_database()), 'hub_state'::regclass::oid,
    extract(epoch from pg_postmaster_start_time()));
$$;
--> statement-breakpoint

create function begin_run() returns void
language sql as $$
  update hub_state set run = run + 1, run_mark = current_run_mark(),
    run_first = 1 + greatest(buried, (select coalesce(max(revision), 0) from heads))
  where run_mark <> current_run_mark();
$$;
--> statement-breakpoint

-- Rarely the one who notes it: publishers do so when they begin, in a transaction of its own.
create function note_run() returns trigger language plpgsql as $$
begin
  if (select run_mark from hub_state) <> current_run_mark() then
    perform begin_run();
  end if;
  return null;
end $$;
--> statement-breakpoint
create trigger note_run before insert or update on heads
  for each statement execute function note_run();
--> statement-breakpoint
alter table heads enable always trigger note_run;
--> statement-breakpoint

-- What was drawn before this migration is no run's: the regions there are now are taken as they are.
update hub_state set run = 1, run_mark = current_run_mark(), run_first = (select last_value + 1 from revisions),
  buried = (select last_value from revisions);
--> statement-breakpoint
insert into region_runs (region, run) select id, 1 from regions;
