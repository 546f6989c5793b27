import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../contexts/base/random.ts';
import { isId, newId } from '../../contexts/ids.ts';
import {
  importedKeyId,
  isForeignSecret,
  newSecret,
  parseSecret,
  type SecretOf,
  secretLength,
  secretPrefixes,
  verifierMatches,
  verifierOf,
} from '../../contexts/secrets.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const clock = new VirtualClock();
const kindsOfSecret = Object.keys(secretPrefixes) as SecretOf[];
const constant = (byte: number) => ({
  fraction: () => 0,
  bytes: (count: number) => new Uint8Array(count).fill(byte),
});

describe('secrets', () => {
  test.each(kindsOfSecret)(
    'of an %s name their id, and are of one length, one word to a double click',
    (of) => {
      for (let i = 0; i < 100; i++) {
        const id = newId(of, clock, systemRandom);
        const secret = newSecret(of, id, systemRandom);
        expect(parseSecret(of, secret)).toBe(id);
        expect(secret).toHaveLength(secretLength);
        expect(secret).toMatch(/^\w+$/);
      }
    },
  );

  test.each([[0], [255]])('of extreme randomness (%i) are of the same form', (byte) => {
    const id = newId('agentKey', clock, systemRandom);
    const secret = newSecret('agentKey', id, constant(byte));
    expect(secret).toHaveLength(secretLength);
    expect(parseSecret('agentKey', secret)).toBe(id);
  });

  test('carry all 256 bits', () => {
    const id = newId('agentKey', clock, systemRandom);
    const secrets = new Set<string>();
    for (let bit = 0; bit < 256; bit++) {
      const bytes = new Uint8Array(32);
      bytes[bit >> 3] = 1 << (bit & 7);
      secrets.add(newSecret('agentKey', id, { fraction: () => 0, bytes: () => bytes }));
    }
    expect(secrets.size).toBe(256);
  });

  test('of one sort are none of the other', () => {
    const secret = newSecret('agentKey', newId('agentKey', clock, systemRandom), systemRandom);
    expect(parseSecret('applicationKey', secret)).toBeUndefined();
  });

  test('any one character changed breaks the checksum or the form', () => {
    const secret = newSecret('agentKey', newId('agentKey', clock, systemRandom), systemRandom);
    for (let at = 0; at < secret.length; at++) {
      for (const character of ['0', 'a', 'Z', '_', '-', ' ', 'ü']) {
        if (secret[at] === character) continue;
        const changed = secret.slice(0, at) + character + secret.slice(at + 1);
        expect(parseSecret('agentKey', changed), `${character} at ${at}`).toBeUndefined();
      }
    }
  });

  test.each([
    ['nothing', ''],
    ['something long', 'x'.repeat(100_000)],
    ['the right length, nothing else', 'x'.repeat(secretLength)],
    ['a line too many', `${newSecret('agentKey', newId('agentKey', clock, systemRandom), systemRandom)}\n`],
  ])('%s is malformed', (_what, text) => {
    expect(parseSecret('agentKey', text)).toBeUndefined();
  });
});

describe('secrets made elsewhere', () => {
  test.each([
    ['a token', 'ghx9-Zk3/+=~!0123', true],
    ['the shortest', 'x'.repeat(16), true],
    ['one shorter', 'x'.repeat(15), false],
    ['the longest', 'x'.repeat(512), true],
    ['one longer', 'x'.repeat(513), false],
    ['two words', 'eight888 eight888', false],
    ['no ASCII', 'ü'.repeat(20), false],
    ['a typing error of an agent key', `spk_${'0'.repeat(26)}_oops`, false],
    ['a typing error of an application key', `spa_${'0'.repeat(26)}_oops`, false],
  ])('%s', (_what, text, taken) => {
    expect(isForeignSecret(text)).toBe(taken);
  });

  test('[law 10] give an id that is one, and has nothing of their verifier in it', () => {
    const ids = new Set<string>();
    for (let n = 0; n < 1_000; n++) {
      const verifier = verifierOf(`elsewhere-${n}-0123456789`);
      const id = importedKeyId(verifier);
      expect(isId('agentKey', id)).toBe(true);
      expect(importedKeyId(verifier)).toBe(id);
      ids.add(id);
    }
    expect(ids.size).toBe(1_000);
    // The wire: gateways and hubs of every version come to this id, or the agents of imported keys are locked out.
    expect(importedKeyId(verifierOf('made-elsewhere-0123456789'))).toBe('aki_2k2ryr020bhx8rmkdwkfyvh5c6');
  });
});

describe('verifiers [law 10]', () => {
  const secret = newSecret('agentKey', newId('agentKey', clock, systemRandom), systemRandom);

  test('are of 43 characters and hold nothing of the secret', () => {
    const verifier = verifierOf(secret);
    expect(verifier).toMatch(/^[A-Za-z0-9_-]{43}$/);
    for (let at = 0; at + 8 <= secret.length; at++) expect(verifier).not.toContain(secret.slice(at, at + 8));
  });

  test('match their secret only', () => {
    const other = newSecret('agentKey', newId('agentKey', clock, systemRandom), systemRandom);
    expect(verifierMatches(secret, verifierOf(secret))).toBe(true);
    expect(verifierMatches(other, verifierOf(secret))).toBe(false);
    for (const malformed of ['', 'short', `${verifierOf(secret)}=`, 'ü'.repeat(43)]) {
      expect(verifierMatches(secret, malformed)).toBe(false);
    }
  });
});
