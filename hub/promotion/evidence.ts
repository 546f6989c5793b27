import { oneByOne } from '../../contexts/base/merge-join.ts';
import { open } from '../../contexts/envelope.ts';
import type { ContextRef, KindName } from '../../contexts/kinds/index.ts';
import { decodeVersion } from '../../contexts/revision.ts';
import { type Identity, type Store, type StoredItem, StoreError } from '../../contexts/store.ts';
import { RegionsUnreachableError } from './unreachable.ts';

/** A region that was reached, with what its table says of itself. */
export interface Witness {
  id: string;
  store: Store;
  identity: Identity;
  /** It was published to in the present run of the hub's database: what is from this run says nothing of the lost past. */
  confirmed: boolean;
}

/** One region's testimony about one context. */
export interface Testimony {
  region: string;
  epoch: number;
  revision: number;
  /** What the region holds live, checked against its kind's schema; null where it holds a tombstone. */
  body: unknown;
}

export interface Evidence {
  key: string;
  testimonies: readonly Testimony[];
}

export interface EvidenceOptions {
  /** The hub as the backup left it. */
  hub: { epoch: number; runFirst: number };
  /** Told of every item that proves nothing: it does not decode, or no publisher can have put it there. */
  onUnexplained(ref: ContextRef, region: string, why: string): void;
}

/** What all regions hold of one kind, key by key in byte order, with one item a region in memory. */
export async function* evidenceOf(
  kind: KindName,
  witnesses: readonly Witness[],
  options: EvidenceOptions,
): AsyncGenerator<Evidence> {
  const streams = witnesses.map((witness) => scanOf(witness, kind)[Symbol.asyncIterator]());
  try {
    const heads = await Promise.all(streams.map((stream) => stream.next()));
    for (;;) {
      const keys = heads.flatMap((head) => (head.done ? [] : [head.value.key]));
      if (keys.length === 0) return;
      const key = keys.sort()[0]!; // by code unit, which for keys is byte order (contexts/keys.ts)
      const testimonies: Testimony[] = [];
      const advanced: Promise<void>[] = [];
      for (const [at, head] of heads.entries()) {
        if (head.done || head.value.key !== key) continue;
        const testimony = testimonyOf({ kind, key }, head.value, witnesses[at]!, options);
        if (testimony) testimonies.push(testimony);
        advanced.push(
          streams[at]!.next().then((next) => {
            heads[at] = next;
          }),
        );
      }
      await Promise.all(advanced);
      yield { key, testimonies };
    }
  } finally {
    await Promise.allSettled(streams.map((stream) => stream.return?.(undefined)));
  }
}

/** One that breaks off says of which region: without it the others' answers are of no use. */
async function* scanOf({ id, store }: Witness, kind: KindName): AsyncGenerator<StoredItem> {
  try {
    yield* oneByOne(store.scan(kind));
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new RegionsUnreachableError([{ id, why: error.message }]);
  }
}

function testimonyOf(
  ref: ContextRef,
  item: StoredItem,
  { id: region, identity, confirmed }: Witness,
  { hub, onUnexplained }: EvidenceOptions,
): Testimony | undefined {
  if (item.state === 'corrupt') {
    onUnexplained(ref, region, `it does not decode (${item.reason})`);
    return undefined;
  }
  const { version } = item.envelope;
  // A publisher raises the mark before it puts anything: what is above it was put there by somebody else.
  if (identity.highWater === null || version > identity.highWater) {
    onUnexplained(ref, region, `its version ${version} is above everything published there`);
    return undefined;
  }
  const { epoch, revision } = decodeVersion(version)!;
  if (confirmed && epoch === hub.epoch && revision >= hub.runFirst) return undefined;
  const opened = open(item.envelope);
  if (opened.outcome === 'undecodable') {
    onUnexplained(ref, region, `its body does not fit the schema (${opened.reason})`);
    return undefined;
  }
  return { region, epoch, revision, body: opened.outcome === 'live' ? opened.body : null };
}

/** The testimonies of the highest (epoch, revision), of which a tombstone and a live one may stand side by side. */
export function newestOf(testimonies: readonly Testimony[]): readonly Testimony[] {
  const newest = testimonies.reduce<Testimony | undefined>(
    (a, b) => (a === undefined || isLater(b, a) ? b : a),
    undefined,
  );
  return newest === undefined ? [] : testimonies.filter((one) => !isLater(newest, one));
}

export function isLater(
  a: { epoch: number; revision: number },
  b: { epoch: number; revision: number },
): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.revision > b.revision);
}

/**
 * Whether the hub in its present state cannot know of it: it is later than the context's head, or from after the
 * backup. The head itself may have moved since the restore, so that comparing with it alone would not do.
 */
export function isNewerThanBackup(
  testimony: Testimony,
  head: { revision: number },
  hub: { epoch: number; runFirst: number },
): boolean {
  if (testimony.epoch !== hub.epoch) return testimony.epoch > hub.epoch;
  return testimony.revision > head.revision || testimony.revision >= hub.runFirst;
}
