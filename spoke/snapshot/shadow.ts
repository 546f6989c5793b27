import { hash } from 'node:crypto';
import { z } from 'zod';
import { canonicalJson } from '../../contexts/envelope.ts';
import { type KindName, kindNames } from '../../contexts/kinds/index.ts';
import type { LoadingCache } from '../cache/cache.ts';
import type { Lookup } from '../cache/outcomes.ts';
import type { PreparedContexts } from '../prepared.ts';

/**
 * What a gateway would go by, for one context each: what a rehearsal compares. No secret is in it, and none is needed:
 * whoever holds the same verifier of the same version decides alike.
 */
export const questionsSchema = z.array(
  z.object({ kind: z.enum(kindNames as [KindName, ...KindName[]]), key: z.string() }),
);
export const answersSchema = z.array(z.string());
export type Question = z.infer<typeof questionsSchema>[number];

/** Where a shadow takes {@link questionsSchema} and gives {@link answersSchema}, in the same order. */
export const shadowPath = '/shadow/answers';

/** One answer: `none`, where the store would have to be asked; `gone`; or version and content, as a hash. */
export function answerTo(cache: LoadingCache<PreparedContexts>, { kind, key }: Question): string {
  const lookup: Lookup<object> | Promise<Lookup<object>> = cache.get(kind, key, 'reference');
  if (lookup instanceof Promise || lookup.state === 'failed') return 'none';
  // That a key was never heard of is not kept: the shadow would ask for it.
  if (lookup.state === 'absent') return lookup.why === 'tombstone' ? 'gone' : 'none';
  // What a key remembers of the requests it was shown with is no content of it.
  const { scope: _scope, told: _told, usedIn: _usedIn, ...content } = lookup.value as Record<string, unknown>;
  return `${lookup.version} ${hash('sha256', canonicalJson(content), 'base64url')}`;
}
