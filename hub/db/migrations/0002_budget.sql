CREATE TABLE "freezes" (
	"region" text collate "C",
	"mode" text NOT NULL,
	"reason" text,
	"actor_id" text collate "C" NOT NULL,
	"actor_name" text NOT NULL,
	"since" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "freezes_region" UNIQUE NULLS NOT DISTINCT("region"),
	CONSTRAINT "freezes_mode" CHECK ("freezes"."mode" in ('loosening', 'all'))
);
--> statement-breakpoint
CREATE TABLE "holds" (
	"region" text collate "C" NOT NULL,
	"kind" text collate "C" NOT NULL,
	"key" text collate "C" NOT NULL,
	"reason" text NOT NULL,
	"detail" text NOT NULL,
	"revision" bigint,
	"replaced" text,
	"since" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"seen_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"approved_at" timestamp with time zone,
	CONSTRAINT "holds_region_kind_key_pk" PRIMARY KEY("region","kind","key"),
	CONSTRAINT "holds_reason" CHECK ("holds"."reason" in ('budget', 'kind-empty', 'invalid'))
);
--> statement-breakpoint
CREATE TABLE "losses" (
	"region" text collate "C" NOT NULL,
	"kind" text collate "C" NOT NULL,
	"key" text collate "C" NOT NULL,
	"replaced" text NOT NULL,
	"counted" boolean NOT NULL,
	"at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "losses_region_kind_key_replaced_pk" PRIMARY KEY("region","kind","key","replaced")
);
--> statement-breakpoint
CREATE TABLE "region_contents" (
	"region" text collate "C" NOT NULL,
	"kind" text collate "C" NOT NULL,
	"contexts" integer NOT NULL,
	"counted_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "region_contents_region_kind_pk" PRIMARY KEY("region","kind")
);
--> statement-breakpoint
ALTER TABLE "heads" ADD COLUMN "intended" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "holdings" ADD COLUMN "intended" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "sweeps" ADD COLUMN "plan" text;--> statement-breakpoint
ALTER TABLE "freezes" ADD CONSTRAINT "freezes_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "holds" ADD CONSTRAINT "holds_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "losses" ADD CONSTRAINT "losses_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "region_contents" ADD CONSTRAINT "region_contents_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "losses_window" ON "losses" USING btree ("region","kind","at");
--> statement-breakpoint

-- Law 9: what the API does on purpose is stamped, in its transaction, on the head (the row itself was changed) or on
-- the holding (its placement was ended), and is exempt from the budget of losses. The API sets this for its own
-- transactions; a script that means what it does may: `set local spokecast.intended = 'on'`.
create function is_intended() returns boolean
language sql stable as $$
  select coalesce(current_setting('spokecast.intended', true), '') = 'on';
$$;
--> statement-breakpoint

-- As in 0001_capture.sql, and the stamp: each change of the row sets it anew. Where `is_deleted` is null the row itself
-- did not change (a placement, a cascade, a repair), so flag and stamp are left as they are.
create or replace function touch_heads(context_kind text, context_keys text[], is_deleted boolean) returns void
language sql as $$
  insert into heads as h (kind, key, revision, deleted, intended)
    select context_kind, k.key, nextval('revisions'), coalesce(is_deleted, false), is_deleted is not null and is_intended()
    from (select distinct key collate "C" as key from unnest(context_keys) as key order by 1) k
  on conflict (kind, key) do update
    set revision = nextval('revisions'),
        deleted = coalesce(is_deleted, h.deleted),
        intended = case when is_deleted is null then h.intended else is_intended() end,
        changed_at = clock_timestamp(),
        changed_xid = pg_current_xact_id();
$$;
--> statement-breakpoint

create function stamp_holding() returns trigger language plpgsql as $$
begin
  new.intended := new.until is not null and is_intended();
  return new;
end $$;
--> statement-breakpoint
create trigger stamp_holding before update of until on holdings
  for each row execute function stamp_holding();
--> statement-breakpoint
alter table holdings enable always trigger stamp_holding;
--> statement-breakpoint

create function notify_freezes() returns trigger language plpgsql as $$
begin
  perform pg_notify('spokecast_freezes', '');
  return null;
end $$;
--> statement-breakpoint
create trigger notify_freezes after insert or update or delete or truncate on freezes
  for each statement execute function notify_freezes();
