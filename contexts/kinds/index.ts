import type { z } from 'zod';
import { agentKey } from './agent-key.ts';
import { cluster } from './cluster.ts';
import { heartbeat } from './heartbeat.ts';
import { tenant } from './tenant.ts';

/**
 * The registry of kinds, in the order in which they are published: what others point at goes first, so that a
 * key does not arrive before its cluster. Removals go in reverse.
 */
export const kinds = { tenant, cluster, 'agent-key': agentKey, heartbeat } as const;

export type KindName = keyof typeof kinds;
export type Body<Name extends KindName = KindName> = z.infer<(typeof kinds)[Name]['schema']>;

export const kindNames = Object.keys(kinds) as KindName[];

export function isKindName(name: string): name is KindName {
  return Object.hasOwn(kinds, name);
}

/** What names a context everywhere. */
export interface ContextRef {
  kind: KindName;
  key: string;
}

/** A {@link ContextRef} as one string, for maps and logs: `agent-key/aki_...`. */
export function refText(ref: ContextRef): string {
  return `${ref.kind}/${ref.key}`;
}
