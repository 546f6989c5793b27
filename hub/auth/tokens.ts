import { hash } from 'node:crypto';
import type { Random } from '../../contexts/base/random.ts';

/** 256 random bits as a cookie or a link carries them. */
export function newToken(random: Random): string {
  return Buffer.from(random.bytes(32)).toString('base64url');
}

/** What is stored in a token's place. It has full entropy, so that a plain hash does. */
export function hashOfToken(token: string): string {
  return hash('sha256', token, 'base64url');
}

export function isToken(text: string | null | undefined): text is string {
  return typeof text === 'string' && /^[A-Za-z0-9_-]{43}$/.test(text);
}
