import { type SQL, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { tenants } from '../schema.ts';

/**
 * The last guard of residency: a placement where the tenant may not be is published to nobody, though triggers refuse
 * to write one. `tenantId` is a column of the derivation.
 */
export function mayReside(tenantId: SQL | PgColumn, region: string): SQL {
  return sql`not exists (select from ${tenants} resident where resident.id = ${tenantId}
    and resident.allowed_regions is not null and not ${region} = any(resident.allowed_regions))`;
}
