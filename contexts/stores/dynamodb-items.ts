import { z } from 'zod';
import { decodeEnvelope, type Envelope } from '../envelope.ts';
import { isContextKey } from '../keys.ts';
import { type ContextRef, isKindName, type KindName } from '../kinds/index.ts';
import { limits } from '../limits.ts';
import { decodeVersion, type VersionText } from '../revision.ts';
import { shardOf } from '../shards.ts';
import type {
  Announcement,
  FeedEntry,
  FeedHead,
  GatewayStatus,
  Identity,
  KeyUses,
  StoredItem,
} from '../store.ts';
import { type Item, type Key, number, text } from './dynamodb-table.ts';

/**
 * What each thing looks like as an item: the layout of version 1, all of it locked by
 * tests/contexts/wire-lock.test.ts.
 *
 *     pk                  sk                   attributes
 *     <kind>#<shard>      the context's key    v version, h hash, b body (absent: tombstone), t built at (ms)
 *     feed                16 digits, padded    a announcements as JSON, t announced at (ms)
 *     feed                head                 n the last entry, inc incarnation, f floor: all up to it is trimmed
 *     gateway             the gateway's id     s status as JSON, e expires at (ms)
 *     key-use             gateway:place        k ids of agent keys with spaces between, t used until (ms)
 *     meta                identity             environment, region, hubId, layoutVersion, shards, incarnation, ...
 */
export function contextPartition(kind: KindName, shard: number): string {
  return `${kind}#${shard}`;
}

export function contextKey(ref: ContextRef, shards: number): Key {
  return { pk: contextPartition(ref.kind, shardOf(ref.key, shards)), sk: ref.key };
}

export function contextItem(envelope: Envelope, shards: number): Item {
  const { pk, sk } = contextKey(envelope, shards);
  return {
    pk: text(pk),
    sk: text(sk),
    v: text(envelope.version),
    h: text(envelope.hash),
    ...(envelope.bodyText === null ? {} : { b: text(envelope.bodyText) }),
    t: number(envelope.builtAtMs),
  };
}

/**
 * The context in an item, or that it is corrupt; `undefined` where the item is none, because no reference can
 * name it: its key is malformed, or not of this partition. Such items can do no harm and are never seen.
 */
export function decodeContext(kind: KindName, item: Item, shards: number): StoredItem | undefined {
  const key = item.sk?.S ?? '';
  if (!isContextKey(key) || item.pk?.S !== contextKey({ kind, key }, shards).pk) return undefined;
  const { v, h, b, t } = item;
  const bodyText = b === undefined ? null : b.S;
  const decoded = decodeEnvelope({
    kind,
    key,
    version: v?.S,
    hash: h?.S,
    bodyText,
    builtAtMs: Number(t?.N ?? 0),
  });
  if (decoded.outcome === 'decoded') return { state: 'context', key, envelope: decoded.envelope };
  return { state: 'corrupt', key, reason: decoded.reason, seen: v?.S };
}

export const feedPartition = 'feed';
export const feedHeadKey: Key = { pk: feedPartition, sk: 'head' };

/** Sorts as the number does, and before `head`. */
export function feedSortKey(entry: number): string {
  return String(entry).padStart(16, '0');
}

export function feedItem(entry: FeedEntry): Item {
  const tuples = entry.announcements.map((one) => [one.kind, one.key, one.version, one.tombstone ? 1 : 0]);
  return {
    pk: text(feedPartition),
    sk: text(feedSortKey(entry.number)),
    a: text(JSON.stringify(tuples)),
    t: number(entry.atMs),
  };
}

const announcementsSchema = z.array(
  z.tuple([z.string(), z.string(), z.string(), z.number()]).rest(z.unknown()),
);

/**
 * An entry of the feed. `undefined` where it does not decode: for a reader that is a number missing, a gap.
 * Announcements of kinds that this build does not know are left out: nobody here can ask for them.
 */
export function decodeFeedEntry(item: Item): FeedEntry | undefined {
  const parsed = announcementsSchema.safeParse(parseJson(item.a?.S));
  if (!parsed.success || !/^\d{16}$/.test(item.sk?.S ?? '')) return undefined;
  const announcements: Announcement[] = [];
  for (const [kind, key, version, tombstone] of parsed.data) {
    if (decodeVersion(version) === undefined) return undefined;
    if (!isKindName(kind)) continue;
    announcements.push({ kind, key, version: version as VersionText, tombstone: tombstone === 1 });
  }
  return { number: Number(item.sk?.S), atMs: Number(item.t?.N ?? 0), announcements };
}

/** The feed's head with its floor: every entry numbered at or below it was trimmed, or is about to be. */
export interface FeedHeadItem extends FeedHead {
  floor: number;
}

export function feedHeadItem(head: FeedHead): Item {
  return { pk: text(feedPartition), sk: text('head'), n: number(head.number), inc: text(head.incarnation) };
}

/** `undefined` where there is no head, or none that could be one: its floor is never above its number. */
export function decodeFeedHead(item: Item | undefined): FeedHeadItem | undefined {
  const head = { incarnation: item?.inc?.S, number: Number(item?.n?.N), floor: Number(item?.f?.N ?? 0) };
  const valid = head.incarnation && Number.isSafeInteger(head.number) && head.floor <= head.number;
  return valid ? (head as FeedHeadItem) : undefined;
}

export const gatewayPartition = 'gateway';

export function gatewayItem(status: GatewayStatus): Item {
  return {
    pk: text(gatewayPartition),
    sk: text(status.id),
    s: text(JSON.stringify(status)),
    e: number(status.expiresAtMs),
  };
}

const gatewaySchema: z.ZodType<GatewayStatus> = z.looseObject({
  id: z.string(),
  region: z.string(),
  build: z.string(),
  startedAtMs: z.number(),
  reportedAtMs: z.number(),
  expiresAtMs: z.number(),
  watermark: z.number(),
  feedIncarnation: z.string().nullable(),
  cachedContexts: z.number(),
  degraded: z.boolean(),
  reportsKeyUses: z.boolean().optional(),
});

export function decodeGateway(item: Item): GatewayStatus | undefined {
  return gatewaySchema.safeParse(parseJson(item.s?.S)).data;
}

export const keyUsePartition = 'key-use';

export function keyUseKey({ gateway, place }: Pick<KeyUses, 'gateway' | 'place'>): Key {
  return { pk: keyUsePartition, sk: `${gateway}:${String(place).padStart(4, '0')}` };
}

export function keyUseItem(uses: KeyUses): Item {
  const { pk, sk } = keyUseKey(uses);
  return { pk: text(pk), sk: text(sk), k: text(uses.keys.join(' ')), t: number(uses.atMs) };
}

/** `undefined` where it tells nothing: such an item is removed as if it had been read. */
export function decodeKeyUse(item: Item): KeyUses | undefined {
  const [, gateway, place] = /^(.+):(\d{4})$/.exec(item.sk?.S ?? '') ?? [];
  const atMs = Number(item.t?.N);
  const keys = (item.k?.S ?? '').split(' ');
  if (gateway === undefined || !Number.isSafeInteger(atMs) || keys.length > limits.keyUsesMax)
    return undefined;
  return { gateway, place: Number(place), atMs, keys: keys.filter(isContextKey) };
}

export const identityKey: Key = { pk: 'meta', sk: 'identity' };

export function identityItem(identity: Identity): Item {
  return {
    pk: text(identityKey.pk),
    sk: text(identityKey.sk),
    environment: text(identity.environment),
    region: text(identity.region),
    hubId: text(identity.hubId),
    layoutVersion: number(identity.layoutVersion),
    shards: number(identity.shards),
    incarnation: text(identity.incarnation),
    whole: { BOOL: identity.whole },
    ...(identity.highWater === null ? {} : { highWater: text(identity.highWater) }),
  };
}

/** `undefined` where the item is no identity: it was edited, or is of a layout that this build does not know. */
export function decodeIdentity(item: Item): Identity | undefined {
  const { environment, region, hubId, incarnation, highWater } = item;
  const identity = {
    environment: environment?.S,
    region: region?.S,
    hubId: hubId?.S,
    layoutVersion: Number(item.layoutVersion?.N),
    shards: Number(item.shards?.N),
    incarnation: incarnation?.S,
    whole: item.whole?.BOOL === true,
    highWater: decodeVersion(highWater?.S) ? highWater?.S : null,
  };
  const texts = [identity.environment, identity.region, identity.hubId, identity.incarnation];
  const numbers = [identity.layoutVersion, identity.shards];
  const valid =
    texts.every(Boolean) && numbers.every((n) => Number.isInteger(n) && n >= 1 && n <= limits.shardsMax);
  return valid ? (identity as Identity) : undefined;
}

function parseJson(json: string | undefined): unknown {
  if (json === undefined) return undefined;
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
