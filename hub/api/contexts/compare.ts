import type { z } from '@hono/zod-openapi';
import { timestamp } from '../../../contexts/base/clock.ts';
import { open } from '../../../contexts/envelope.ts';
import type { VersionText } from '../../../contexts/revision.ts';
import { isNewer } from '../../../contexts/revision.ts';
import type { StoredItem } from '../../../contexts/store.ts';
import type { Build } from '../../db/builders/index.ts';
import type { Derived, RegionState, Stored } from './context.ts';

/** How what a region holds stands to what the hub derives for it. `stored` is undefined where the store has nothing. */
export function compare(
  derived: Build,
  stored: StoredItem | undefined,
): Exclude<RegionState, 'unreachable' | 'held'> {
  if (stored?.state === 'corrupt') return 'corrupt';
  switch (derived.state) {
    case 'unknown':
      // A tombstone of something forgotten says the same as nothing.
      return stored === undefined || stored.envelope.bodyText === null ? 'in-sync' : 'orphan';
    case 'invalid':
      return 'quarantined'; // the last good one stays where there is one
    case 'gone':
      // The region never held it, or its tombstone is past retention.
      return stored === undefined ? 'in-sync' : compareVersions(derived.envelope, stored.envelope);
    case 'live':
      if (derived.invalid !== undefined) return 'quarantined';
      return stored === undefined ? 'missing' : compareVersions(derived.envelope, stored.envelope);
  }
}

type Versioned = { version: VersionText; hash: string };

function compareVersions(derived: Versioned, stored: Versioned): 'in-sync' | 'stale' | 'ahead' | 'corrupt' {
  if (isNewer(derived.version, stored.version)) return 'stale';
  if (isNewer(stored.version, derived.version)) return 'ahead';
  // Of one version there is one content.
  return derived.hash === stored.hash ? 'in-sync' : 'corrupt';
}

export function toDerived(build: Build): z.input<typeof Derived> {
  const none = { version: null, hash: null, body: null, reason: null };
  if (build.state === 'unknown') return { state: 'unknown', ...none };
  if (build.state === 'invalid') return { state: 'invalid', ...none, reason: build.reason };
  const { version, hash } = build.envelope;
  return {
    state: build.state,
    version,
    hash,
    body: visibleBody(build),
    reason: (build.state === 'live' && build.invalid) || null,
  };
}

export function toStored(item: StoredItem | undefined): z.input<typeof Stored> {
  if (!item) return { state: 'absent', version: null, hash: null, builtAt: null, reason: null };
  if (item.state === 'corrupt')
    return { state: 'corrupt', version: item.seen ?? null, hash: null, builtAt: null, reason: item.reason };
  const { version, hash, bodyText, builtAtMs } = item.envelope;
  return {
    state: bodyText === null ? 'tombstone' : 'live',
    version,
    hash,
    builtAt: timestamp(builtAtMs),
    reason: null,
  };
}

/** The body without what only gateways need to know (law 10). */
function visibleBody(build: Build & { state: 'live' | 'gone' }): z.input<typeof Derived>['body'] {
  const opened = open(build.envelope);
  if (opened.outcome !== 'live') return null;
  const { verifier: _, verifiers: __, ...visible } = opened.body as unknown as Record<string, never>;
  return visible;
}
