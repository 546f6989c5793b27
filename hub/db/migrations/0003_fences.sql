CREATE TABLE "fence_jobs" (
	"fence" text collate "C" NOT NULL,
	"region" text collate "C" NOT NULL,
	"receipt" text collate "C" NOT NULL,
	CONSTRAINT "fence_jobs_fence_region_receipt_pk" PRIMARY KEY("fence","region","receipt")
);
--> statement-breakpoint
CREATE TABLE "fence_regions" (
	"fence" text collate "C" NOT NULL,
	"region" text collate "C" NOT NULL,
	"seen_at" timestamp with time zone,
	CONSTRAINT "fence_regions_fence_region_pk" PRIMARY KEY("fence","region")
);
--> statement-breakpoint
CREATE TABLE "fences" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"tenant_id" text collate "C",
	"xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"committed_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"rows_written" integer DEFAULT 0 NOT NULL,
	"rows_relayed" integer DEFAULT 0 NOT NULL,
	"relayed_at" timestamp with time zone,
	"contexts" text[] DEFAULT '{}',
	"awaited_until" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "gateways" (
	"region" text collate "C" NOT NULL,
	"id" text collate "C" NOT NULL,
	"build" text NOT NULL,
	"started_at" timestamp with time zone NOT NULL,
	"reported_at" timestamp with time zone NOT NULL,
	"observed_at" timestamp with time zone NOT NULL,
	"lifetime_ms" integer NOT NULL,
	"watermark" bigint NOT NULL,
	"feed_incarnation" text,
	"cached_contexts" integer NOT NULL,
	"degraded" boolean NOT NULL,
	CONSTRAINT "gateways_region_id_pk" PRIMARY KEY("region","id")
);
--> statement-breakpoint
CREATE TABLE "receipts" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"stored_at" timestamp with time zone NOT NULL,
	"announced_at" timestamp with time zone NOT NULL,
	"feed_incarnation" text NOT NULL,
	"feed_number" bigint NOT NULL,
	"held_back" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "region_reports" (
	"region" text collate "C" PRIMARY KEY NOT NULL,
	"state" text NOT NULL,
	"reason" text,
	"reported_at" timestamp with time zone NOT NULL,
	"collected_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "outbox" ADD COLUMN "fences" text[] DEFAULT string_to_array(nullif(current_setting('spokecast.fences', true), ''), ',');--> statement-breakpoint
ALTER TABLE "sweeps" ADD COLUMN "feed_incarnation" text;--> statement-breakpoint
ALTER TABLE "sweeps" ADD COLUMN "feed_number" bigint;--> statement-breakpoint
ALTER TABLE "sweeps" ADD COLUMN "held_back" text[];--> statement-breakpoint
ALTER TABLE "gateways" ADD CONSTRAINT "gateways_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "region_reports" ADD CONSTRAINT "region_reports_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "fence_regions_unseen" ON "fence_regions" USING btree ("region","fence") WHERE seen_at is null;--> statement-breakpoint
CREATE INDEX "fences_created" ON "fences" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "fences_awaited" ON "fences" USING btree ("awaited_until") WHERE awaited_until is not null;--> statement-breakpoint
CREATE INDEX "receipts_created" ON "receipts" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "sweeps_finished" ON "sweeps" USING btree ("region","finished_at");--> statement-breakpoint

-- Opens a fence for the rest of this transaction: every change captured in it is counted to that fence. The hub's API
-- does so for every mutation; a person at `psql` may: `begin; select open_fence(); update ...; commit;`.
create function open_fence(wanted text default null, tenant text default null) returns text language plpgsql as $$
declare
  opened text := coalesce(wanted, 'fen_' || substr(md5(gen_random_uuid()::text), 1, 26));
begin
  insert into fences (id, tenant_id) values (opened, tenant);
  perform set_config('spokecast.fences', opened, true);
  return opened;
end $$;
--> statement-breakpoint

-- Counts outbox rows to their fences in the transaction that writes them. What is counted here and never counted as
-- relayed was lost on the way, and only a sweep can prove that its change has arrived.
create function count_fenced() returns trigger language plpgsql as $$
begin
  if not exists (select from new_rows n where n.fences is not null) then
    return null;
  end if;
  -- In one order, whoever comes: a relay counts several fences at once.
  perform from fences where id in (select unnest(n.fences) from new_rows n) order by id for no key update;
  update fences f
  set rows_written = f.rows_written + w.written,
      committed_at = case when f.xid = pg_current_xact_id() then clock_timestamp() else f.committed_at end,
      contexts = case
        when f.xid <> pg_current_xact_id() then f.contexts
        when w.followed or cardinality(f.contexts) + w.written > 100 then null
        else f.contexts || w.contexts end
  from (
    select fence, count(*)::integer as written, bool_or(cause = 'placement') as followed,
      (array_agg(kind || '/' || key))[1:100] as contexts
    from new_rows n cross join unnest(n.fences) as fence group by fence
  ) w
  where f.id = w.fence;
  insert into fence_regions (fence, region)
    select distinct f.id, region from new_rows n cross join unnest(n.fences) as fence cross join unnest(regions) as region
    join fences f on f.id = fence
    order by f.id, region
  on conflict do nothing;
  return null;
end $$;
--> statement-breakpoint
create trigger count_fenced after insert on outbox referencing new table as new_rows
  for each statement execute function count_fenced();
--> statement-breakpoint
alter table outbox enable always trigger count_fenced;
