import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Random } from './base/random.ts';
import { hashedId } from './ids.ts';

/**
 * The secrets people are given: agent keys (`spk_`) and application keys (`spa_`).
 *
 *     spk_01k9c0v8w1e4qafk3s7m2t6xhz_9pX...43 characters...Q_1a2b3c4d
 *     |   |                          |                       CRC-32 of all before it, 8 hex digits
 *     |   |                          256 random bits in base 62
 *     |   the key's id without its prefix
 *     what it is
 *
 * Letters, digits and `_` only: a double click selects it whole. The prefix makes leaked
 * keys findable by secret scanners; the checksum lets a gateway refuse typing errors and random floods without a
 * look-up. Only the SHA-256 of the whole text, the *verifier*, is ever stored: the secret has full entropy, so a
 * slow password hash would add cost and no safety.
 */
export const secretPrefixes = { agentKey: 'spk', applicationKey: 'spa' } as const;
export type SecretOf = keyof typeof secretPrefixes;

const idPrefixOf = { agentKey: 'aki_', applicationKey: 'apk_' } as const;
const patterns = {
  agentKey: /^spk_[0-9a-hjkmnp-tv-z]{26}_[0-9A-Za-z]{43}_[0-9a-f]{8}$/,
  applicationKey: /^spa_[0-9a-hjkmnp-tv-z]{26}_[0-9A-Za-z]{43}_[0-9a-f]{8}$/,
} as const;

/** Characters of a well-formed secret. Anything of another length is malformed at first sight. */
export const secretLength = 4 + 26 + 1 + 43 + 1 + 8;
const idAt = 4;

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A new secret for the key with that id. It is shown once and kept nowhere. */
export function newSecret(of: SecretOf, id: string, random: Random): string {
  let number = 0n;
  for (const byte of random.bytes(32)) number = (number << 8n) | BigInt(byte);
  let text = '';
  for (let i = 0; i < 43; i++) {
    text = base62[Number(number % 62n)] + text;
    number /= 62n;
  }
  const body = `${secretPrefixes[of]}_${id.slice(idPrefixOf[of].length)}_${text}`;
  return `${body}_${checksum(body)}`;
}

/** The id of the key this secret claims to be, or `undefined` where form or checksum are wrong. */
export function parseSecret(of: SecretOf, secret: string): string | undefined {
  if (secret.length !== secretLength || !patterns[of].test(secret)) return undefined;
  const checksumAt = secretLength - 8;
  if (crc32(secret.slice(0, checksumAt - 1)) !== Number.parseInt(secret.slice(checksumAt), 16))
    return undefined;
  return idPrefixOf[of] + secret.slice(idAt, idAt + 26);
}

/**
 * The id of the key that a text of a secret's length and beginning names; neither its form nor its checksum is looked
 * at. For whoever compares it with that key's verifier next, which none but the secret itself matches.
 */
export function claimedId(of: SecretOf, text: string): string | undefined {
  if (text.length !== secretLength || !text.startsWith(secretPrefixes[of])) return undefined;
  return idPrefixOf[of] + text.slice(idAt, idAt + 26);
}

/** What is stored in place of a secret: SHA-256, base64url without padding, 43 characters. */
export function verifierOf(secret: string): string {
  return hash('sha256', secret, 'base64url');
}

/** What begins like a secret of ours and is none is a typing error, and stays one. */
const foreign = /^(?!sp[ak]_)[\x21-\x7e]{16,512}$/;

/** Whether this may be a secret that was made elsewhere: printable ASCII without spaces, 16 to 512 characters. */
export function isForeignSecret(text: string): boolean {
  return foreign.test(text);
}

/**
 * The id of the agent key that was imported with this verifier. A foreign secret names no key, so its hash does: hub
 * and gateways come to the same id without asking each other. It is a hash of the verifier and no part of it, because
 * ids are told to everybody.
 */
export function importedKeyId(verifier: string): string {
  return hashedId('agentKey', hash('sha256', `spokecast imported agent key\0${verifier}`, 'buffer'));
}

/** In the place of a verifier where no secret is to match: the hash of nothing, for its last character is none's. */
export const noVerifier = '-'.repeat(43);

/**
 * Compares in time that does not depend on where the two differ: every character is looked at. `timingSafeEqual`
 * would want two buffers made first, which costs more than the comparison.
 */
export function verifierMatches(secret: string, verifier: string): boolean {
  const shown = verifierOf(secret);
  if (shown.length !== verifier.length) return false;
  let difference = 0;
  for (let at = 0; at < shown.length; at++) difference |= shown.charCodeAt(at) ^ verifier.charCodeAt(at);
  return difference === 0;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
