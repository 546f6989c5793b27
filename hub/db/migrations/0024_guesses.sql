CREATE TABLE "guesses" (
	"name" text collate "C" PRIMARY KEY NOT NULL,
	"failures" integer NOT NULL,
	"window_ends_at" timestamp with time zone NOT NULL,
	"known_until" timestamp with time zone
);
--> statement-breakpoint
CREATE INDEX "guesses_unknown" ON "guesses" USING btree ("window_ends_at") WHERE "guesses"."known_until" is null;--> statement-breakpoint
CREATE INDEX "guesses_known" ON "guesses" USING btree ("known_until") WHERE "guesses"."known_until" is not null;