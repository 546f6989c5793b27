import { sql } from 'drizzle-orm';
import { heartbeats } from '../schema.ts';
import { defineBuilder } from './builder.ts';

/** A region holds its own heartbeat. */
export const heartbeatBuilder = defineBuilder({
  kind: 'heartbeat',
  derive: (region) => sql`
    select ${heartbeats.region} as "key", floor(extract(epoch from ${heartbeats.beatAt}) * 1000)::float8 as at_ms
    from ${heartbeats} where ${heartbeats.region} = ${region}`,
  holders: (keys) => sql`
    select ${heartbeats.region} as "key", array[${heartbeats.region}] as regions
    from ${heartbeats} where ${heartbeats.region} = any(${keys})`,
  leftOnPurpose: () => sql`select true`, // nobody is let through by one, so nobody loses by its going
  toBody: (row: { key: string; at_ms: number }) => ({ atMs: row.at_ms }),
});
