import { z } from 'zod';
import { defineKind } from './kind.ts';

const upstreamUrl = z.url({ protocol: /^https?$/ });

/** One cluster as one region sees it: global values, with that region's overrides applied. Key: the cluster's id. */
export const cluster = defineKind({
  name: 'cluster',
  schemaVersion: 2,
  schema: z.looseObject({
    tenantId: z.string().min(1),
    name: z.string().min(1),
    status: z.enum(['active', 'disabled']),
    /** Where this region's gateways forward the cluster's requests to. */
    upstreamUrl,
    /**
     * Since version 2: where to instead, if there is more than one place. The lowest priority that has a usable
     * upstream takes the requests, in proportion to the weights. Older gateways go on with `upstreamUrl`.
     */
    upstreams: z
      .array(
        z.looseObject({
          url: upstreamUrl,
          priority: z.number().int().nonnegative(),
          weight: z.number().int().positive(),
        }),
      )
      .min(1)
      .optional(),
    /** What the cluster's metadata store wants to know; opaque to Spokecast. */
    settings: z.record(z.string(), z.json()),
  }),
  denies: ({ status }) => status === 'disabled',
  denial: { tenantId: '-', name: '-', status: 'disabled', upstreamUrl: 'http://invalid.', settings: {} },
});
