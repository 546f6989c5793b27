import { canonicalJson } from '../../contexts/envelope.ts';

/**
 * What of `wanted` differs from `row`; undefined where nothing does. A PATCH that changes nothing writes nothing:
 * no head moves, no region is told, nothing is audited.
 */
export function changesOf<Wanted extends object>(
  row: { [Name in keyof Wanted]?: unknown },
  wanted: Wanted,
): Changes<Wanted> | undefined {
  const changes = Object.entries(wanted).filter(([name, value]) => {
    if (value === undefined) return false;
    return canonicalJson(value) !== canonicalJson(row[name as keyof Wanted] ?? null);
  });
  return changes.length === 0 ? undefined : (Object.fromEntries(changes) as Changes<Wanted>);
}

export type Changes<Wanted> = { [Name in keyof Wanted]?: Exclude<Wanted[Name], undefined> };
