import { z } from 'zod';
import { defineKind } from './kind.ts';

/**
 * What changes in every region when nothing else does, so that the age of what gateways hold can be told from the
 * outside. Key: the region's id; each region holds its own.
 */
export const heartbeat = defineKind({
  name: 'heartbeat',
  schemaVersion: 1,
  schema: z.looseObject({
    /** When it was made at the hub, milliseconds since the Unix epoch, by the clock of the hub's database. */
    atMs: z.number().int().nonnegative(),
  }),
  denies: () => false,
  denial: { atMs: 0 },
});
