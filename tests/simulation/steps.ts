import type { Takes } from '../../hub/db/outbox.ts';
import type { Edit } from './edits.ts';
import type { Rule } from './faults.ts';
import type { Tampering } from './region.ts';

export const regionCount = 2;
export const gatewayCount = 2;

export const losable = [
  'outbox row',
  'job',
  'announcement',
  'feed',
  'head of the feed',
  'marks of sweeps',
  'table',
] as const;
export type Losable = (typeof losable)[number];

/**
 * One thing that happens. Plain data with all its choices in it, so that a trace means the same when steps before it
 * are dropped: `nth` counts round what there is by then, and what does not apply does nothing.
 */
export type Step =
  /** In one transaction, which stays open for a later `commit` or `rollback` if told so. */
  | { do: 'edit'; edits: Edit[]; open: boolean }
  | { do: 'commit' | 'rollback'; nth: number }
  /** Time passes, and only what runs by itself goes on: gateways, and whatever waits for a time. */
  | { do: 'pass'; ms: number }
  /** Time passes, and the publishers do their work. */
  | { do: 'run'; ms: number }
  | { do: 'relay'; publisher: number; takes: Takes }
  | { do: 'work'; publisher: number; region: number; nth: number }
  | { do: 'sweep'; publisher: number; region: number }
  /** A gateway is asked for everything, or for one thing. */
  | { do: 'ask'; region: number; gateway: number; one?: number }
  | { do: 'arm'; rule: Rule }
  | { do: 'resume'; nth: number }
  | { do: 'outage'; region: number; on: boolean }
  | { do: 'lose'; what: Losable; region: number; nth: number }
  | { do: 'duplicate' | 'stall'; region: number; nth: number }
  | { do: 'tamper'; region: number; how: Tampering; n: number }
  | { do: 'crash' | 'probe'; publisher: number; region: number }
  | { do: 'restart'; region: number; gateway: number }
  /** The database is copied; it is as it was when it was last copied, and its epoch is promoted. */
  | { do: 'back up' | 'restore' }
  | { do: 'step clock'; ms: number };

export const publisherName = (n: number) => `p${n + 1}`;
export const regionName = (n: number) => `r${n + 1}`;
export const gatewayName = (region: number, gateway: number) => `${regionName(region)}/g${gateway + 1}`;

/** A step as one line of a trace. */
export function describe(step: Step): string {
  const { do: what, ...rest } = step;
  return `${what} ${JSON.stringify(rest).replaceAll('"', '')}`;
}
