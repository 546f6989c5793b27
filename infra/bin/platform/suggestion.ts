import { z } from 'zod';
import { platformFile } from './schema.ts';

type JsonSchema = {
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
};

/** The field that may have been meant, of those that a thing at that path has. */
export function suggestionFor(path: readonly PropertyKey[], wrong: string): string | undefined {
  let schemas: JsonSchema[] = [z.toJSONSchema(platformFile, { io: 'input' }) as JsonSchema];
  for (const step of path) {
    schemas = schemas.flatMap(alternatives);
    schemas = schemas.flatMap(({ items, properties }) => {
      const next = typeof step === 'number' ? items : properties?.[String(step)];
      return next ? [next] : [];
    });
  }
  const known = schemas.flatMap(alternatives).flatMap(({ properties = {} }) => Object.keys(properties));
  return closest(wrong, known);
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  return [schema, ...(schema.anyOf ?? []).flatMap(alternatives)];
}

/** The name that differs least, where that is little. Case, `_` and `-` are no difference. */
export function closest(wrong: string, names: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[_\s-]/g, '');
  const written = plain(wrong.slice(0, namesMax));
  const [best] = names
    .map((name) => ({ name, edits: editsBetween(written, plain(name)) }))
    .filter(({ name, edits }) => edits <= Math.max(1, Math.floor(name.length / 3)))
    .toSorted((a, b) => a.edits - b.edits);
  return best?.name;
}

/** Longer than any name that there is. */
const namesMax = 60;

/** Letters to put in, take out, change, or swap with their neighbour. */
function editsBetween(one: string, other: string): number {
  const rows = [Array.from({ length: other.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const change = rows[i - 1]![j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      const swap = isSwap ? rows[i - 2]![j - 2]! + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, change, swap));
    }
    rows.push(row);
  }
  return rows[one.length]![other.length]!;
}
