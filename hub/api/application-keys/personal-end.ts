import type { Clock } from '../../../contexts/base/clock.ts';
import { blame } from '../../http/problems.ts';

/** Days for which a person's key works at the most. Without an end it would be one that nobody remembers. */
export const personalDaysMax = 365;

/** @throws ProblemError 400 where a person's key would not end, or too late. */
export function checkPersonalEnd(expiresAt: string | null, clock: Clock): void {
  const latestMs = clock.now() + personalDaysMax * 86_400_000;
  if (expiresAt !== null && Date.parse(expiresAt) <= latestMs) return;
  const rule = `must be within ${personalDaysMax} days: a person’s key always ends`;
  blame('VALIDATION_FAILED', '/expiresAt', rule);
}
