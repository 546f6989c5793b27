import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { assert } from '../../contexts/base/assert.ts';
import {
  canonicalJson,
  decodeEnvelope,
  open,
  type StoredFields,
  seal,
  tombstone,
} from '../../contexts/envelope.ts';
import { isKindName, type KindName, kindNames, kinds } from '../../contexts/kinds/index.ts';
import { decodeVersion } from '../../contexts/revision.ts';
import { newSecret, parseSecret, verifierMatches, verifierOf } from '../../contexts/secrets.ts';
import { shardOf } from '../../contexts/shards.ts';
import { layoutVersion } from '../../contexts/store.ts';
import {
  contextItem,
  decodeContext,
  decodeFeedEntry,
  decodeFeedHead,
  decodeGateway,
  decodeIdentity,
  decodeKeyUse,
  feedHeadItem,
  feedItem,
  gatewayItem,
  identityItem,
  keyUseItem,
} from '../../contexts/stores/dynamodb-items.ts';

/**
 * What is written in one release is read by another: stores hold contexts for months, gateways are older or newer
 * than the publisher, keys stay with customers for years. The files in wire-lock/ hold bytes of every version
 * that was ever shipped, and these tests say that today's code writes the newest of them and reads all.
 *
 * **Files of versions that were shipped are never edited.** When a test here fails:
 *
 * - *The schema of a kind changed.* Only additions are allowed, and they must be optional for readers, because a
 *   publisher that does not know them yet goes on writing. Raise the kind's `schemaVersion`, copy the newest file
 *   to `wire-lock/<kind>.v<N>.json`, choose a body that uses what is new, take `schemaHash`, `live` and `tombstone`
 *   from what the failing tests print, leave the older files as they are, and add a line to CHANGELOG.md. A field
 *   can be taken away, or its meaning changed, only by way of a new field.
 * - *Only the printed form changed*, because a new release of zod describes the same schema in other words: compare
 *   both descriptions by hand, then replace `schemaHash` in the newest file of each kind. Nothing else.
 * - *The layout of a store changed* (`layout.v<N>.json`). That is a new `layoutVersion`, a new file, and a
 *   migration of every region's table: old builds refuse the new table. Write an ADR first.
 * - *The format of a secret changed* (`secrets.json`). Keys that customers hold must be read for ever: a new format
 *   takes a new prefix and a new entry in the file.
 */
const directory = new URL('./wire-lock/', import.meta.url);

interface KindLock {
  kind: KindName;
  schemaVersion: number;
  /** SHA-256 of the canonical JSON Schema, in hex. */
  schemaHash: string;
  /** What was given to `seal`, and what it made of it. */
  body: Record<string, unknown>;
  live: StoredFields;
  tombstone: StoredFields;
}

const locks = readdirSync(directory)
  .filter((name) => /\.v\d+\.json$/.test(name) && !name.startsWith('layout.'))
  .map((name) => read<KindLock>(name));

describe.each(kindNames)('the kind %s', (name) => {
  const { schemaVersion, schema } = kinds[name];
  const ofKind = locks.filter((lock) => lock.kind === name);
  const newest = ofKind.find((lock) => lock.schemaVersion === schemaVersion);

  test('has a file for every version from 1 to the present', () => {
    const versions = ofKind.map((lock) => lock.schemaVersion).sort((a, b) => a - b);
    expect(versions).toEqual(Array.from({ length: schemaVersion }, (_, index) => index + 1));
  });

  test('its schema is the one that was locked for its version', () => {
    const hash = createHash('sha256')
      .update(canonicalJson(z.toJSONSchema(schema)))
      .digest('hex');
    expect(hash, `the schema of ${name} changed: see the comment of this file`).toBe(newest?.schemaHash);
  });

  test('is written today as it was locked', () => {
    assert(newest, `wire-lock/${name}.v${schemaVersion}.json is missing`);
    const { key, version, builtAtMs } = newest.live;
    const { epoch, revision } = decodeVersion(version) ?? { epoch: 0, revision: 0 };
    const input = { kind: name, key: key as string, epoch, revision, builtAtMs: builtAtMs as number };
    expect(seal({ ...input, body: newest.body })).toEqual({ outcome: 'sealed', envelope: newest.live });
    expect(tombstone(input)).toEqual(newest.tombstone);
  });

  test.each(ofKind)('version $schemaVersion is read today', (lock) => {
    const live = decodeEnvelope(lock.live);
    assert(live.outcome === 'decoded', `does not decode: ${JSON.stringify(live)}`);
    expect(live.envelope).toEqual(lock.live);
    expect(open(live.envelope)).toEqual({ outcome: 'live', body: lock.body });
    const gone = decodeEnvelope(lock.tombstone);
    assert(gone.outcome === 'decoded', `does not decode: ${JSON.stringify(gone)}`);
    expect(open(gone.envelope)).toEqual({ outcome: 'tombstone' });
  });
});

test('no file is left of a kind that nobody knows', () => {
  expect(locks.filter((lock) => !isKindName(lock.kind))).toEqual([]);
});

describe(`the layout, version ${layoutVersion}`, () => {
  // biome-ignore lint/suspicious/noExplicitAny: a file
  const lock = read<any>(`layout.v${layoutVersion}.json`);

  test('a context and a tombstone', () => {
    for (const { envelope, item } of [lock.live, lock.tombstone]) {
      expect(contextItem(envelope, lock.shards)).toEqual(item);
      const expected = { state: 'context', key: envelope.key, envelope };
      expect(decodeContext(envelope.kind, item, lock.shards)).toEqual(expected);
    }
  });

  test('the shard of a key', () => {
    for (const [key, shards, shard] of lock.shardOf) expect(shardOf(key, shards), key).toBe(shard);
  });

  test('an entry of the feed and its head', () => {
    expect(feedItem(lock.feedEntry.entry)).toEqual(lock.feedEntry.item);
    expect(decodeFeedEntry(lock.feedEntry.item)).toEqual(lock.feedEntry.entry);
    expect(feedHeadItem(lock.feedHead.head)).toEqual(lock.feedHead.item);
    expect(decodeFeedHead(lock.feedHead.item)).toEqual({ ...lock.feedHead.head, floor: 0 });
  });

  test('the status of a gateway', () => {
    expect(gatewayItem(lock.gateway.status)).toEqual(lock.gateway.item);
    expect(decodeGateway(lock.gateway.item)).toEqual(lock.gateway.status);
  });

  test('the word of a gateway about keys that it let in', () => {
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const { uses, item } = read<any>('layout.key-uses.v1.json');
    expect(keyUseItem(uses)).toEqual(item);
    expect(decodeKeyUse(item)).toEqual(uses);
    for (const broken of [
      { ...item, sk: { S: 'g-1' } },
      { ...item, t: undefined },
    ])
      expect(decodeKeyUse(broken)).toBeUndefined();
  });

  test('the identity', () => {
    expect(identityItem(lock.identity.identity)).toEqual(lock.identity.item);
    expect(decodeIdentity(lock.identity.item)).toEqual(lock.identity.identity);
  });
});

describe('secrets', () => {
  interface SecretLock {
    of: 'agentKey' | 'applicationKey';
    id: string;
    randomHex: string;
    secret: string;
    verifier: string;
  }

  test.each(read<SecretLock[]>('secrets.json'))('$of $id', ({ of, id, randomHex, secret, verifier }) => {
    const random = { fraction: () => 0, bytes: () => Buffer.from(randomHex, 'hex') };
    expect(newSecret(of, id, random)).toBe(secret);
    expect(parseSecret(of, secret)).toBe(id);
    expect(verifierOf(secret)).toBe(verifier);
    expect(verifierMatches(secret, verifier)).toBe(true);
  });
});

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, directory), 'utf8')) as T;
}
