import { v7 as uuidv7 } from 'uuid';
import type { Clock } from './base/clock.ts';
import type { Random } from './base/random.ts';

/**
 * Ids of platform resources: a prefix that tells what it is, and a UUIDv7 (RFC 9562) in Crockford's base 32,
 * lower case, 26 characters: `ten_01k9...`. They sort by creation time, so a page by id is a page by age.
 */
export const idPrefixes = {
  tenant: 'ten',
  cluster: 'vci',
  agentKey: 'aki',
  applicationKey: 'apk',
  user: 'usr',
  session: 'ses',
  oneTimeLink: 'otl',
  sweep: 'swp',
  seeding: 'sdg',
  auditEntry: 'aud',
  fence: 'fen',
  deletion: 'del',
} as const;

export type IdOf = keyof typeof idPrefixes;

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

export function newId(of: IdOf, clock: Clock, random: Random): string {
  const bytes = uuidv7({ msecs: clock.now(), random: random.bytes(16) }, new Uint8Array(16));
  return `${idPrefixes[of]}_${base32(bytes)}`;
}

/** What no id is below that is made at `ms`, milliseconds since the Unix epoch, or later: a place in a list by id. */
export function firstIdAt(of: IdOf, ms: number): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(Math.min(Math.max(Math.floor(ms), 0), 2 ** 48 - 1), 0, 6);
  return `${idPrefixes[of]}_${base32(bytes)}`;
}

/**
 * An id made of a hash, so that whoever knows what was hashed finds it: a UUIDv8 (RFC 9562), which no id made by
 * {@link newId} can be. Takes the first 16 bytes.
 */
export function hashedId(of: IdOf, hash: Uint8Array): string {
  const bytes = hash.slice(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return `${idPrefixes[of]}_${base32(bytes)}`;
}

/** Whether `text` has the form of an id of that resource. Says nothing about whether it exists. */
export function isId(of: IdOf, text: string): boolean {
  return text.startsWith(`${idPrefixes[of]}_`) && /^[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}$/.test(text);
}

/** 128 bits as 26 characters of 5, the first of which carries only 3. */
function base32(bytes: Uint8Array): string {
  let number = 0n;
  for (const byte of bytes) number = (number << 8n) | BigInt(byte);
  let text = '';
  for (let i = 0; i < 26; i++) {
    text = alphabet[Number(number & 31n)] + text;
    number >>= 5n;
  }
  return text;
}
