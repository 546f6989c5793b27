import { fail } from '../http/problems.ts';
import type { Services } from '../services.ts';
import type { Actor } from './actor.ts';
import { signedInLately } from './sessions.ts';

/**
 * Before what gives rights that outlast the session of who asks (a key, an invitation, a link to an account): it is not
 * for who found a browser open. Who comes with an application key is not asked.
 *
 * @throws ProblemError SIGN_IN_AGAIN
 */
export function requireHolder({ signedInAtMs }: Actor, services: Pick<Services, 'clock'>): void {
  if (signedInAtMs !== undefined && !signedInLately(signedInAtMs, services)) fail('SIGN_IN_AGAIN');
}
