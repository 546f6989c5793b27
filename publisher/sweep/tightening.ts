import { type Envelope, open } from '../../contexts/envelope.ts';
import type { Body } from '../../contexts/kinds/index.ts';
import { covers } from '../../contexts/networks.ts';
import type { StoredItem } from '../../contexts/store.ts';
import type { Build } from '../../hub/db/builders/index.ts';

/**
 * Whether publishing `build` takes access from somebody, or says again that it was taken: what is gone, what denies,
 * and a key that is narrower, ends sooner or has other secrets than the one stored. As the triggers judge a change
 * (`tightens` in 0007_agent_key_bounds.sql), but by what the region holds, because several changes may lie in between.
 */
export function tightens(build: Build, stored: StoredItem | undefined): boolean {
  if (stored === undefined) return false; // nobody has what is not there
  if (build.state === 'gone') return true;
  if (build.state !== 'live') return false;
  if (build.denies) return true;
  const wanted = open(build.envelope);
  if (wanted.outcome !== 'live') return false;
  if (build.envelope.kind !== 'agent-key' || stored.state !== 'context') return false;
  const held = open(stored.envelope as Envelope<'agent-key'>);
  return held.outcome === 'live' && narrows(held.body, wanted.body as Body<'agent-key'>);
}

function narrows(held: Body<'agent-key'>, wanted: Body<'agent-key'>): boolean {
  const endsMs = (body: Body<'agent-key'>) => body.expiresAtMs ?? Number.POSITIVE_INFINITY;
  return (
    held.verifier !== wanted.verifier ||
    JSON.stringify(held.verifiers) !== JSON.stringify(wanted.verifiers) ||
    endsMs(wanted) < endsMs(held) ||
    held.permissions.some((permission) => !wanted.permissions.includes(permission)) ||
    isNarrower(held.allowedNetworks, wanted.allowedNetworks) ||
    isSlower(held.rateLimit, wanted.rateLimit)
  );
}

function isNarrower(held: readonly string[] | undefined, wanted: readonly string[] | undefined): boolean {
  if (wanted === undefined) return false;
  return held === undefined || held.some((was) => !wanted.some((still) => covers(still, was)));
}

function isSlower(held: Body<'agent-key'>['rateLimit'], wanted: Body<'agent-key'>['rateLimit']): boolean {
  if (wanted === undefined) return false;
  return held === undefined || wanted.limit < held.limit || wanted.windowMs > held.windowMs;
}
