CREATE TABLE "region_lags" (
	"region" text collate "C" NOT NULL,
	"minute" timestamp with time zone NOT NULL,
	"lag_ms" integer,
	"state" text NOT NULL,
	CONSTRAINT "region_lags_region_minute_pk" PRIMARY KEY("region","minute"),
	CONSTRAINT "region_lags_positive" CHECK ("region_lags"."lag_ms" >= 0)
);
--> statement-breakpoint
ALTER TABLE "region_lags" ADD CONSTRAINT "region_lags_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "region_lags_minute" ON "region_lags" USING btree ("minute");--> statement-breakpoint
CREATE INDEX "agent_keys_search" ON "agent_keys" USING btree (lower("name") text_pattern_ops);--> statement-breakpoint
CREATE INDEX "clusters_search" ON "clusters" USING btree (lower("name") text_pattern_ops);--> statement-breakpoint
CREATE INDEX "tenants_search" ON "tenants" USING btree (lower("name") text_pattern_ops);--> statement-breakpoint
CREATE INDEX "fences_tenant" ON "fences" USING btree ("tenant_id","id");