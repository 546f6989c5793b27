import { quoted } from './desired.ts';
import type { Mistake, Place } from './document.ts';

/** Something that is there and is to be called otherwise. */
export interface Renaming {
  id: string;
  to: string;
  at: Place;
}

/**
 * New names that somebody else has, and keeps. Who gives a name away in the same plan makes room for the next round of
 * it, but not where two want each other's.
 * @param holderOf the id of what has a name now.
 * @param leaves whether that is deleted by the plan.
 */
export function renamingMistakes(
  kind: 'tenant' | 'cluster',
  renamings: readonly Renaming[],
  holderOf: (name: string) => string | undefined,
  leaves: (id: string) => boolean,
): Mistake[] {
  const byId = new Map(renamings.map((one) => [one.id, one]));
  return renamings.flatMap(({ id, to, at }) => {
    const holder = holderOf(to);
    if (holder === undefined || holder === id || leaves(holder)) return [];
    if (!byId.has(holder))
      return [{ ...at, message: `another ${kind} is called ${quoted(to)} already (${holder})` }];
    const passed = new Set<string>();
    let next: string | undefined = holder;
    while (next !== undefined && next !== id && !passed.has(next)) {
      passed.add(next);
      next = holderOf(byId.get(next)?.to ?? '');
    }
    if (next !== id) return [];
    return [
      {
        ...at,
        message: `names cannot go round in one apply: ${quoted(to)} is free only when its ${kind} has another name`,
      },
    ];
  });
}
