import { z } from 'zod';
import { defineKind } from './kind.ts';

/** One cluster as one region sees it: global values, with that region's overrides applied. Key: the cluster's id. */
export const cluster = defineKind({
  name: 'cluster',
  schemaVersion: 1,
  schema: z.looseObject({
    tenantId: z.string().min(1),
    name: z.string().min(1),
    status: z.enum(['active', 'disabled']),
    /** Where this region's gateways forward the cluster's requests to. */
    upstreamUrl: z.url({ protocol: /^https?$/ }),
    /** What the cluster's metadata store wants to know; opaque to Spokecast. */
    settings: z.record(z.string(), z.json()),
  }),
  denies: ({ status }) => status === 'disabled',
  denial: { tenantId: '-', name: '-', status: 'disabled', upstreamUrl: 'http://invalid.', settings: {} },
});
