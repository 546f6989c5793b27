import { z } from '@hono/zod-openapi';
import type { RegionLook } from '../../db/gateways.ts';

/** A region of which no publisher has told anything for so long is one that nobody publishes to. */
const silenceMaxMs = 30_000;

const states = ['opening', 'open', 'behind', 'refused', 'ahead', 'unknown', 'disabled'] as const;
export const publishingState = z.enum(states).openapi({
  description:
    '`open`: it is published to. `opening`: its store is being asked. `behind`: its store does not answer; what changed meanwhile is published when it does. `refused`: the table there is not its own. `ahead`: it remembers what the hub does not (REGION_AHEAD). `unknown`: no publisher has told of it lately. `disabled`: nothing is published to it.',
});

export interface PublishingState {
  state: z.infer<typeof publishingState>;
  /** Why it is not open, in words for people, and what to do; null while it is. */
  reason: string | null;
}

export function publishingStateOf(status: string, look: RegionLook | undefined): PublishingState {
  if (status === 'disabled') return { state: 'disabled', reason: disabledReason };
  const silence = silenceOf(look);
  if (silence !== undefined) return { state: 'unknown', reason: silence };
  const state = states.find((one) => one === look?.state) ?? 'unknown';
  return { state, reason: state === 'open' ? null : (look?.reason ?? null) };
}

export const disabledReason = 'the region is disabled: nothing is published to it';

/** That nobody publishes to the region, where no publisher tells of it; undefined where one does. */
export function silenceOf(look: RegionLook | null | undefined): string | undefined {
  if (!look) return 'no publisher has told of this region yet: is one running?';
  if (look.ageMs <= silenceMaxMs) return undefined;
  return `no publisher has told of this region for ${(look.ageMs / 1000).toFixed(1)} s: is one running?`;
}
