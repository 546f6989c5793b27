CREATE TABLE "deleted_rows" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "deleted_rows_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"deletion" text collate "C" NOT NULL,
	"table" text NOT NULL,
	"row" jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "deletions" (
	"id" text collate "C" PRIMARY KEY NOT NULL,
	"resource_type" text NOT NULL,
	"resource_id" text collate "C" NOT NULL,
	"name" text NOT NULL,
	"tenant_id" text collate "C" NOT NULL,
	"clusters" integer NOT NULL,
	"agent_keys" integer NOT NULL,
	"deleted_at" timestamp with time zone DEFAULT now() NOT NULL,
	"purge_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "deleted_rows" ADD CONSTRAINT "deleted_rows_deletion_deletions_id_fk" FOREIGN KEY ("deletion") REFERENCES "public"."deletions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "deleted_rows_deletion" ON "deleted_rows" USING btree ("deletion","table");--> statement-breakpoint
CREATE INDEX "deletions_resource" ON "deletions" USING btree ("resource_id","id");--> statement-breakpoint
CREATE INDEX "deletions_tenant" ON "deletions" USING btree ("tenant_id","id");--> statement-breakpoint
CREATE INDEX "deletions_purge" ON "deletions" USING btree ("purge_at");