import { hash as digest } from 'node:crypto';
import { assert } from './base/assert.ts';
import { isContextKey } from './keys.ts';
import { type Body, type ContextRef, isKindName, type KindName, kinds } from './kinds/index.ts';
import { limits } from './limits.ts';
import { decodeVersion, encodeVersion, type VersionText } from './revision.ts';

/**
 * A context as it travels: what it is, which state of it this is, and its body, or none where it is gone.
 *
 * `bodyText` is the body's canonical JSON, written once by the publisher; the hash is over those very bytes, so
 * nobody ever has to agree on how to print JSON. `null` makes the envelope a tombstone.
 */
export interface Envelope<Name extends KindName = KindName> {
  readonly kind: Name;
  readonly key: string;
  readonly version: VersionText;
  /** SHA-256 over kind, key, version and body, base64url. Whatever was edited behind the publisher's back shows. */
  readonly hash: string;
  readonly bodyText: string | null;
  /** When the hub's snapshot was taken, milliseconds since the Unix epoch. Told to people, compared with nothing. */
  readonly builtAtMs: number;
}

/** What a context says, without what tells one state of it from another. */
export type Content<Name extends KindName = KindName> = Pick<Envelope<Name>, 'kind' | 'key' | 'bodyText'>;

/** An envelope as a store holds it: attribute by attribute, all of it untrusted on reading. */
export interface StoredFields {
  kind: unknown;
  key: unknown;
  version: unknown;
  hash: unknown;
  bodyText: unknown;
  builtAtMs: unknown;
}

export type SealOutcome =
  | { outcome: 'sealed'; envelope: Envelope }
  /** The content breaks its schema or a limit: it must not be published; the last good one stays in place. */
  | { outcome: 'invalid'; reason: string };

export type OpenOutcome<Name extends KindName = KindName> =
  | { outcome: 'live'; body: Body<Name> }
  | { outcome: 'tombstone' }
  | { outcome: 'undecodable'; reason: string };

/**
 * Makes the envelope of a live context, or says why it cannot be one.
 * @throws AssertionError when key or version are not well-formed: those are the hub's own.
 */
export function seal(
  input: ContextRef & { epoch: number; revision: number; body: unknown; builtAtMs: number },
): SealOutcome {
  const kind = kinds[input.kind];
  const parsed = kind.schema.safeParse(input.body);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return { outcome: 'invalid', reason: `${issue?.path.join('.') || 'body'}: ${issue?.message}` };
  }
  const bodyText = canonicalJson(parsed.data);
  const bytes = Buffer.byteLength(bodyText);
  if (bytes > limits.bodyBytesMax) {
    return { outcome: 'invalid', reason: `the body has ${bytes} bytes; the most is ${limits.bodyBytesMax}` };
  }
  return { outcome: 'sealed', envelope: assemble(input, kind.schemaVersion, bodyText) };
}

/** The envelope that says: this context is gone, as of this revision. */
export function tombstone(
  input: ContextRef & { epoch: number; revision: number; builtAtMs: number },
): Envelope {
  return assemble(input, kinds[input.kind].schemaVersion, null);
}

function assemble(
  input: ContextRef & { epoch: number; revision: number; builtAtMs: number },
  schemaVersion: number,
  bodyText: string | null,
): Envelope {
  const { kind, key, epoch, revision, builtAtMs } = input;
  assert(isContextKey(key), `${JSON.stringify(key)} cannot be the key of a context`);
  const version = encodeVersion({ epoch, revision, schemaVersion });
  return { kind, key, version, hash: contentHash(kind, key, version, bodyText), bodyText, builtAtMs };
}

/**
 * Takes an envelope back out of a store's attributes, or says why they are none. Never throws: what is stored
 * may have been edited by anyone.
 */
export function decodeEnvelope(
  fields: StoredFields,
): { outcome: 'decoded'; envelope: Envelope } | { outcome: 'corrupt'; reason: string } {
  const { kind, key, version, bodyText, builtAtMs } = fields;
  const corrupt = (reason: string) => ({ outcome: 'corrupt', reason }) as const;
  if (typeof kind !== 'string' || !isKindName(kind)) return corrupt('kind: not one this build knows');
  if (typeof key !== 'string' || !isContextKey(key)) return corrupt('key: not well-formed');
  if (decodeVersion(version) === undefined) return corrupt('version: not well-formed');
  if (bodyText !== null && typeof bodyText !== 'string') return corrupt('body: neither text nor absent');
  if (fields.hash !== contentHash(kind, key, version as VersionText, bodyText))
    return corrupt('hash: does not match the content');
  const envelope: Envelope = {
    kind,
    key,
    version: version as VersionText,
    hash: fields.hash as string,
    bodyText,
    builtAtMs: typeof builtAtMs === 'number' ? builtAtMs : 0,
  };
  return { outcome: 'decoded', envelope };
}

/**
 * The body of an envelope, checked against its kind's schema.
 * A body of a newer schema version is read by the same schema: versions only ever add (docs/adding-a-context.md).
 */
export function open<Name extends KindName>(envelope: Content<Name>): OpenOutcome<Name> {
  if (envelope.bodyText === null) return { outcome: 'tombstone' };
  let raw: unknown;
  try {
    raw = JSON.parse(envelope.bodyText);
  } catch {
    return { outcome: 'undecodable', reason: 'the body is not JSON' };
  }
  const parsed = kinds[envelope.kind].schema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return { outcome: 'undecodable', reason: `${issue?.path.join('.') || 'body'}: ${issue?.message}` };
  }
  return { outcome: 'live', body: parsed.data as Body<Name> };
}

/** SHA-256 over the parts, each ended by a zero byte (none of them can hold one), base64url. */
export function contentHash(
  kind: string,
  key: string,
  version: VersionText,
  bodyText: string | null,
): string {
  const state = bodyText === null ? 'tombstone' : 'live';
  return digest('sha256', `${kind}\0${key}\0${version}\0${state}\0${bodyText ?? ''}`, 'base64url');
}

/**
 * JSON with object keys in one order at every depth, so that equal content has equal bytes: by code unit, after
 * those that are whole numbers, which JavaScript always puts first and in their own order.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(inOrder(value));
}

/**
 * The value with the names of every object in order: itself where they are already, as they mostly are, so that a
 * sweep copies none of its bodies.
 */
function inOrder(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) {
    const members = value.map(inOrder);
    return members.every((member, at) => member === value[at]) ? value : members;
  }
  const object = value as Record<string, unknown>;
  const names = Object.keys(object);
  const members = names.map((name) => inOrder(object[name]));
  const stays = (name: string, at: number) =>
    (at === 0 || names[at - 1]! < name) && members[at] === object[name];
  if (names.every(stays)) return value;
  const entries = names.map((name, at) => [name, members[at]] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))); // even `__proto__` is a name like any other
}
