import { importedKeyId, isForeignSecret, parseSecret, verifierOf } from '../contexts/secrets.ts';

/** The header for clients that need `authorization` for something else. */
export const agentKeyHeader = 'spokecast-agent-key';

/**
 * What a request shows. The secret lives as long as the request: nothing may keep a {@link Credential}.
 *
 * `spokecast-agent-key` goes first, because who sends it means us; else `authorization`, as a bearer token or as
 * the password of Basic (the user name is not looked at).
 */
export type Credential =
  | { state: 'shown'; keyId: string; secret: string }
  | { state: 'absent' }
  /** Something was shown, but no agent key: wrong form or wrong checksum. */
  | { state: 'malformed' };

const absent = { state: 'absent' } as const;
const malformed = { state: 'malformed' } as const;

/** What is made of a secret that is not of our form: nothing, or it is looked up by its hash (docs/adr/0036). */
export const importedKeysChoices = ['refused', 'looked-up'] as const;
export type ImportedKeys = (typeof importedKeysChoices)[number];

export function readCredential(
  authorization: string | undefined,
  agentKey: string | undefined,
  importedKeys: ImportedKeys = 'refused',
): Credential {
  const secret = readShown(authorization, agentKey);
  return typeof secret === 'string' ? parse(secret, importedKeys) : secret;
}

/** What is shown in an agent key's place, whatever it is. */
export function readShown(
  authorization: string | undefined,
  agentKey: string | undefined,
): string | Extract<Credential, { state: 'absent' | 'malformed' }> {
  if (agentKey !== undefined) return agentKey.trim();
  if (authorization === undefined) return absent;
  return secretIn(authorization)?.trim() ?? malformed;
}

/**
 * Whether the header carries an agent key, which must not be handed on: whatever would be taken for one of ours, and
 * what `agentKey` shows as well.
 */
export function carriesAgentKey(authorization: string, agentKey?: string): boolean {
  const secret = secretIn(authorization)?.trim();
  if (secret === undefined) return false;
  return secret === agentKey?.trim() || parse(secret, 'refused').state === 'shown';
}

/** The bearer token or Basic password; undefined for any other scheme. */
function secretIn(authorization: string): string | undefined {
  const space = authorization.indexOf(' ');
  if (space < 0) return undefined;
  const scheme = authorization.slice(0, space).toLowerCase();
  const rest = authorization.slice(space + 1).trim();
  if (scheme === 'bearer') return rest;
  if (scheme !== 'basic') return undefined;
  const pair = Buffer.from(rest, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 0 ? undefined : pair.slice(colon + 1);
}

/** What was shown, looked at: an agent key has a form and a checksum, an imported one hardly any. */
export function parse(secret: string, importedKeys: ImportedKeys): Credential {
  const keyId = parseSecret('agentKey', secret);
  if (keyId !== undefined) return { state: 'shown', keyId, secret };
  if (importedKeys === 'refused' || !isForeignSecret(secret)) return malformed;
  return { state: 'shown', keyId: importedKeyId(verifierOf(secret)), secret };
}
