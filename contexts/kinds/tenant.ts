import { z } from 'zod';
import { defineKind } from './kind.ts';

/** A customer of the platform. Key: the tenant's id. In every region that holds one of its clusters. */
export const tenant = defineKind({
  name: 'tenant',
  schemaVersion: 1,
  schema: z.looseObject({
    name: z.string().min(1),
    /** A suspended tenant's keys are refused with 403 in every region: one context changes, not one per key. */
    status: z.enum(['active', 'suspended']),
  }),
  denies: ({ status }) => status === 'suspended',
  denial: { name: '-', status: 'suspended' },
});
