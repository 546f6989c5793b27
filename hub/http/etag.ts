import { hash } from 'node:crypto';
import { canonicalJson } from '../../contexts/envelope.ts';
import { fail } from './problems.ts';

/** The `ETag` of a representation: a hash of what the client sees, so equal content has an equal tag on every hub. */
export function etagOf(representation: object): string {
  return `"${hash('sha256', canonicalJson(representation), 'base64url').slice(0, 22)}"`;
}

/**
 * Ends the request with 412 unless `ifMatch` is absent, `*`, or a list that holds `etag`. Weak tags never match:
 * a change must not be based on something merely similar.
 */
export function checkIfMatch(ifMatch: string | undefined, etag: string): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return;
  const tags = ifMatch.split(',').map((tag) => tag.trim());
  if (!tags.includes(etag)) fail('PRECONDITION_FAILED', { headers: { etag } });
}

/** Whether `if-none-match` names it: then the client has the content already. Here a weak tag is as good as a strong one. */
export function isAmong(etag: string, ifNoneMatch: string | undefined): boolean {
  const tags = (ifNoneMatch ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(etag);
}
