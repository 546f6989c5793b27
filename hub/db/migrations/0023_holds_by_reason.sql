-- Who asks for the few contexts of a region that are invalid is not to read the thousands that are held.
CREATE INDEX "holds_by_reason" ON "holds" USING btree ("region","reason","kind","key");
