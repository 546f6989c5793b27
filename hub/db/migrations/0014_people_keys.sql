ALTER TABLE "one_time_links" DROP CONSTRAINT "one_time_links_purpose";--> statement-breakpoint
ALTER TABLE "application_keys" ADD COLUMN "user_id" text collate "C";--> statement-breakpoint
ALTER TABLE "application_keys" ADD COLUMN "created_by" text collate "C";--> statement-breakpoint
ALTER TABLE "one_time_links" ADD COLUMN "challenge" text;--> statement-breakpoint
ALTER TABLE "application_keys" ADD CONSTRAINT "application_keys_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "application_keys_user" ON "application_keys" USING btree ("user_id","id");--> statement-breakpoint
ALTER TABLE "one_time_links" ADD CONSTRAINT "one_time_links_purpose" CHECK ("one_time_links"."purpose" in ('set-up', 'invitation', 'password-reset', 'command-line'));