CREATE SEQUENCE "public"."revisions" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "agent_keys" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"cluster_id" text collate "C" NOT NULL,
	"name" text NOT NULL,
	"verifier" text NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"expires_at" timestamp with time zone,
	"permissions" text[] DEFAULT '{}' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "agent_keys_status" CHECK ("agent_keys"."status" in ('active', 'disabled'))
);
--> statement-breakpoint
CREATE TABLE "application_keys" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"tenant_id" text collate "C",
	"role" text NOT NULL,
	"name" text NOT NULL,
	"verifier" text NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"expires_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "application_keys_role" CHECK ("application_keys"."role" in ('owner', 'admin', 'viewer')),
	CONSTRAINT "application_keys_status" CHECK ("application_keys"."status" in ('active', 'disabled'))
);
--> statement-breakpoint
CREATE TABLE "audit_log" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"actor_id" text collate "C" NOT NULL,
	"actor_name" text NOT NULL,
	"action" text NOT NULL,
	"resource_type" text NOT NULL,
	"resource_id" text collate "C" NOT NULL,
	"tenant_id" text collate "C",
	"before" jsonb,
	"after" jsonb,
	"request_id" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "clusters" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"name" text NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"upstream_url" text NOT NULL,
	"settings" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "clusters_tenant_name" UNIQUE("tenant_id","name"),
	CONSTRAINT "clusters_status" CHECK ("clusters"."status" in ('active', 'disabled'))
);
--> statement-breakpoint
CREATE TABLE "heads" (
	"kind" text collate "C" NOT NULL,
	"key" text collate "C" NOT NULL,
	"revision" bigint NOT NULL,
	"deleted" boolean NOT NULL,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	"changed_xid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	CONSTRAINT "heads_kind_key_pk" PRIMARY KEY("kind","key")
);
--> statement-breakpoint
CREATE TABLE "holdings" (
	"cluster_id" text collate "C" NOT NULL,
	"region" text collate "C" NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"until" timestamp with time zone,
	"settled" boolean DEFAULT false NOT NULL,
	CONSTRAINT "holdings_cluster_id_region_pk" PRIMARY KEY("cluster_id","region")
);
--> statement-breakpoint
CREATE TABLE "hub_state" (
	"id" smallint PRIMARY KEY DEFAULT 1 NOT NULL,
	"hub_id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"epoch" integer DEFAULT 1 NOT NULL,
	CONSTRAINT "hub_state_one_row" CHECK ("hub_state"."id" = 1)
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"application_key_id" text collate "C" NOT NULL,
	"key" text NOT NULL,
	"request_hash" text NOT NULL,
	"status" integer NOT NULL,
	"body" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_keys_application_key_id_key_pk" PRIMARY KEY("application_key_id","key")
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "outbox_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"kind" text collate "C" NOT NULL,
	"key" text collate "C" NOT NULL,
	"regions" text[] NOT NULL,
	"cause" text NOT NULL,
	"tightens" boolean NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"claimed_by" text,
	"claimed_until" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "placements" (
	"cluster_id" text collate "C" NOT NULL,
	"region" text collate "C" NOT NULL,
	"overrides" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "placements_cluster_id_region_pk" PRIMARY KEY("cluster_id","region")
);
--> statement-breakpoint
CREATE TABLE "regions" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"store_endpoint" text,
	"store_aws_region" text,
	"store_table" text NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "regions_status" CHECK ("regions"."status" in ('active', 'draining', 'disabled'))
);
--> statement-breakpoint
CREATE TABLE "sweeps" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"region" text collate "C" NOT NULL,
	"cause" text NOT NULL,
	"status" text NOT NULL,
	"counts" jsonb,
	"mark" "xid8",
	"tail" jsonb,
	"error" text,
	"requested_at" timestamp with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp with time zone,
	"progressed_at" timestamp with time zone,
	"finished_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "tenants" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "tenants_name_unique" UNIQUE("name"),
	CONSTRAINT "tenants_status" CHECK ("tenants"."status" in ('active', 'suspended'))
);
--> statement-breakpoint
ALTER TABLE "agent_keys" ADD CONSTRAINT "agent_keys_cluster_id_clusters_id_fk" FOREIGN KEY ("cluster_id") REFERENCES "public"."clusters"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "application_keys" ADD CONSTRAINT "application_keys_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "clusters" ADD CONSTRAINT "clusters_tenant_id_tenants_id_fk" FOREIGN KEY ("tenant_id") REFERENCES "public"."tenants"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "holdings" ADD CONSTRAINT "holdings_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "placements" ADD CONSTRAINT "placements_cluster_id_clusters_id_fk" FOREIGN KEY ("cluster_id") REFERENCES "public"."clusters"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "placements" ADD CONSTRAINT "placements_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sweeps" ADD CONSTRAINT "sweeps_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "agent_keys_cluster" ON "agent_keys" USING btree ("cluster_id","id");--> statement-breakpoint
CREATE INDEX "application_keys_tenant" ON "application_keys" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "audit_log_tenant" ON "audit_log" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "audit_log_resource" ON "audit_log" USING btree ("resource_type","resource_id","id");--> statement-breakpoint
CREATE INDEX "heads_changed" ON "heads" USING btree ("changed_xid");--> statement-breakpoint
CREATE INDEX "holdings_tenant" ON "holdings" USING btree ("tenant_id","region");--> statement-breakpoint
CREATE INDEX "holdings_region" ON "holdings" USING btree ("region");--> statement-breakpoint
CREATE INDEX "idempotency_keys_created" ON "idempotency_keys" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "outbox_order" ON "outbox" USING btree ("tightens" DESC NULLS LAST,"id");--> statement-breakpoint
CREATE INDEX "placements_region" ON "placements" USING btree ("region","cluster_id");--> statement-breakpoint
CREATE INDEX "sweeps_region" ON "sweeps" USING btree ("region","id");--> statement-breakpoint
CREATE INDEX "sweeps_status" ON "sweeps" USING btree ("status");