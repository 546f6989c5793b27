import type { Environment } from './base/options.ts';

/** The options that say for how long something is kept, each of one service. */
const env = {
  tombstoneMs: 'SPOKECAST_TOMBSTONE_RETENTION_MS',
  feedMs: 'SPOKECAST_FEED_RETENTION_MS',
  snapshotMs: 'SPOKECAST_SNAPSHOT_AGE_MAX_MS',
} as const;

type Retentions = { readonly [Name in keyof typeof env]?: number };

/**
 * What is wrong with them together, a sentence each. A tombstone outlives the feed and every snapshot that a gateway
 * may boot from: else a gateway that was away comes back with a key that was revoked meanwhile, and nothing in its
 * region tells it.
 * @param own what the service itself goes by. What belongs to another is compared where the environment, which roles
 * may share, tells it.
 */
export function retentionProblems(own: Retentions, environment: Environment): string[] {
  const of = (name: keyof typeof env) => own[name] ?? (Number(environment[env[name]]) || undefined);
  const tombstoneMs = of('tombstoneMs');
  if (tombstoneMs === undefined) return [];
  return (['feedMs', 'snapshotMs'] as const)
    .map((name) => ({ name: env[name], ms: of(name) }))
    .filter(({ ms }) => ms !== undefined && ms >= tombstoneMs)
    .map(
      ({ name, ms }) =>
        `${env.tombstoneMs}=${tombstoneMs} must be above ${name}=${ms}: raise the first, or lower the second`,
    );
}
