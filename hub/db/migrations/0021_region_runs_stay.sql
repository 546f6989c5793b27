-- What a region was published in this run it remembers though it is removed: added again with its table, it would be
-- taken for ahead of the hub, and a promotion would undo what its tombstones of this run say of clusters that moved.
ALTER TABLE "region_runs" DROP CONSTRAINT "region_runs_region_regions_id_fk";
