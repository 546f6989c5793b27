CREATE TABLE "agent_key_uses" (
	"key" text collate "C" NOT NULL,
	"region" text collate "C" NOT NULL,
	"last_used_at" timestamp with time zone NOT NULL,
	CONSTRAINT "agent_key_uses_key_region_pk" PRIMARY KEY("key","region")
);
--> statement-breakpoint
CREATE TABLE "key_use_regions" (
	"region" text collate "C" PRIMARY KEY NOT NULL,
	"since" timestamp with time zone NOT NULL,
	"read_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "agent_key_uses" ADD CONSTRAINT "agent_key_uses_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "key_use_regions" ADD CONSTRAINT "key_use_regions_region_regions_id_fk" FOREIGN KEY ("region") REFERENCES "public"."regions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "agent_key_uses_region" ON "agent_key_uses" USING btree ("region");--> statement-breakpoint
ALTER TABLE "agent_key_uses" SET (fillfactor = 80);
