import type { z } from '@hono/zod-openapi';
import { isStorable, pointerStep } from './json.ts';

export interface FieldError {
  /** A JSON pointer into the body, or `?name` for a parameter of the query. */
  pointer: string;
  detail: string;
}

/**
 * Checks `input` against `schema` and gives either the value or every mistake, each under `prefix` and its JSON
 * pointer. `prefix` is '' for the body and `?` for the query, whose pointers then read `?limit`.
 */
export function validate<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  prefix: '' | '?',
): { valid: true; value: z.output<Schema> } | { valid: false; errors: FieldError[] } {
  const parsed = schema.safeParse(input, { reportInput: true });
  if (parsed.success) return { valid: true, value: parsed.data };
  return { valid: false, errors: parsed.error.issues.flatMap((issue) => describe(issue, prefix)) };
}

function describe(issue: z.core.$ZodIssue, prefix: '' | '?'): FieldError[] {
  const pointer = pointerOf(issue.path, prefix);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      pointer: pointerOf([...issue.path, key], prefix),
      detail: 'is not a field of this request',
    }));
  }
  if (issue.code === 'invalid_type') {
    const detail = issue.input === undefined ? 'is required' : `must be ${withArticle(issue.expected)}`;
    return [{ pointer, detail }];
  }
  return [{ pointer, detail: issue.message }];
}

/** A type as people call it. */
function withArticle(type: string): string {
  const name = type === 'record' ? 'object' : type === 'array' ? 'list' : type;
  return `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`;
}

function pointerOf(path: readonly PropertyKey[], prefix: '' | '?'): string {
  if (prefix === '') return path.map(pointerStep).join('');
  return `?${path.map(String).join('.')}`;
}

/** A query as an object; a parameter that is given twice, or cannot be stored, becomes what no schema takes. */
export function queryObject(url: URL): Record<string, unknown> {
  const names = [...new Set(url.searchParams.keys())];
  return Object.fromEntries(
    names.map((name) => {
      const all = url.searchParams.getAll(name);
      return [name, all.length === 1 && isStorable(all[0]!) ? all[0] : all];
    }),
  );
}
