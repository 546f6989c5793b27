ALTER TABLE "losses" ADD COLUMN "lost_keys" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
-- In the place of `agent_keys_cluster`, with what says whether a key works: those that a tenant takes along when it is
-- suspended are counted from the index alone.
CREATE INDEX "agent_keys_cluster_live" ON "agent_keys" USING btree ("cluster_id","id","status","expires_at");--> statement-breakpoint
DROP INDEX "agent_keys_cluster";
