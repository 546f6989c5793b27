import { begun } from '../../contexts/base/begun.ts';
import { type KindName, kindNames } from '../../contexts/kinds/index.ts';
import type { Store, StoredItem, Stray } from '../../contexts/store.ts';
import type { Draft } from '../../hub/db/builders/index.ts';
import { pagesAhead } from './pages-ahead.ts';

/** The two sides of a kind: what the hub drafts and what the store holds, in runs and in the order of keys. */
export interface Sides {
  drafts: AsyncIterable<readonly Draft[]>;
  held: AsyncIterable<readonly StoredItem[]>;
  /** Found on the way: items no reference can name, as many as one sweep removes. */
  strays: readonly Stray[];
}

/** Items no reference can name that one sweep removes; with more of them, a person should look first. */
const straysMax = 100;

/**
 * Kinds one after another, in the order of publishing. Both sides of the next are asked for their beginning before one
 * is handed out: most kinds are no longer than that, and waiting for one after another took much of a small region's
 * sweep. What is read so early may be old when it is compared: a difference is asked for again, as any other.
 */
export function* sidesAhead(options: SidesOptions): Generator<[KindName, Sides]> {
  const all = kindNames.values().map((kind): [KindName, Sides] => [kind, sidesOf(kind, options)]);
  let next = all.next();
  while (!next.done) {
    const { value } = next;
    next = all.next();
    yield value;
  }
}

function sidesOf(kind: KindName, { hub, store, pageRows, onStray }: SidesOptions): Sides {
  const strays: Stray[] = [];
  const keep = (stray: Stray) => {
    onStray();
    if (strays.length < straysMax) strays.push(stray);
  };
  return {
    drafts: begun(pagesAhead((...range) => hub.range(...range), kind, pageRows)),
    held: begun(store.scan(kind, { onStray: keep })),
    strays,
  };
}

interface SidesOptions {
  hub: { range(kind: KindName, after: string, limit: number): Promise<readonly Draft[]> };
  store: Pick<Store, 'scan'>;
  /** Rows a hub query gives at a time. */
  pageRows: number;
  onStray(): void;
}
