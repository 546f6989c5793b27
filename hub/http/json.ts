/**
 * JSON as it comes from outside. `JSON.parse` decides what is valid; this file adds what it does not tell (where
 * the mistake is) and refuses what no part behind it could store: deep nesting, NUL, broken surrogates, numbers
 * beyond a double.
 */
export type JsonOutcome =
  | { outcome: 'parsed'; value: unknown }
  | { outcome: 'malformed'; line: number; column: number }
  | { outcome: 'unusable'; errors: { pointer: string; detail: string }[] };

const depthMax = 32;

export function parseJson(text: string): JsonOutcome {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { outcome: 'malformed', ...lineAndColumn(text, mistakeOffset(text)) };
  }
  const errors = unusableParts(value);
  return errors.length > 0 ? { outcome: 'unusable', errors } : { outcome: 'parsed', value };
}

/** One step of a JSON pointer (RFC 6901), escaped. */
export function pointerStep(name: PropertyKey): string {
  return `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** Walks without recursion: what is nested too deep must not overflow the stack that finds it out. */
function unusableParts(root: unknown): { pointer: string; detail: string }[] {
  const errors: { pointer: string; detail: string }[] = [];
  const pending: { value: unknown; pointer: string; depth: number }[] = [
    { value: root, pointer: '', depth: 0 },
  ];
  for (let at = pending.pop(); at && errors.length < 20; at = pending.pop()) {
    const { value, pointer, depth } = at;
    if (typeof value === 'string' && !isStorable(value)) {
      errors.push({ pointer, detail: 'holds a NUL character or a broken surrogate pair' });
    } else if (typeof value === 'number' && !Number.isFinite(value)) {
      errors.push({ pointer, detail: 'is too large a number' });
    } else if (typeof value === 'object' && value !== null) {
      if (depth >= depthMax) return [{ pointer: '', detail: `is nested deeper than ${depthMax} levels` }];
      for (const [name, member] of Object.entries(value)) {
        const below = pointer + pointerStep(name);
        if (!isStorable(name))
          errors.push({
            pointer,
            detail: 'has a field whose name holds a NUL character or a broken surrogate pair',
          });
        pending.push({ value: member, pointer: below, depth: depth + 1 });
      }
    }
  }
  return errors;
}

/** Whether Postgres can hold the text. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split('\n');
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings
const token =
  /[ \t\n\r]*(?:([{}[\],:])|"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y;
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: as above

/**
 * Where a text that is not JSON stops being JSON: the offset of the first token that cannot stand there (the
 * engine's own messages give a position for some mistakes only). A stack machine over tokens.
 */
function mistakeOffset(text: string): number {
  const open: ('{' | '[')[] = [];
  let expect: 'value' | 'value-or-end' | 'name' | 'name-or-end' | 'colon' | 'comma-or-end' | 'nothing' =
    'value';
  let offset = 0;
  const afterValue = () => (open.length === 0 ? 'nothing' : 'comma-or-end');
  for (;;) {
    token.lastIndex = offset;
    const match = token.exec(text);
    const start = offset + (/^[ \t\n\r]*/.exec(text.slice(offset))?.[0].length ?? 0);
    if (!match || expect === 'nothing') return start;
    const sign = match[1];
    const isText = sign === undefined && text[start] === '"';
    if ((expect === 'value' || expect === 'value-or-end') && sign === '{') {
      open.push('{');
      expect = 'name-or-end';
    } else if ((expect === 'value' || expect === 'value-or-end') && sign === '[') {
      open.push('[');
      expect = 'value-or-end';
    } else if ((expect === 'value' || expect === 'value-or-end') && sign === undefined) {
      expect = afterValue();
    } else if ((expect === 'name' || expect === 'name-or-end') && isText) {
      expect = 'colon';
    } else if (expect === 'colon' && sign === ':') {
      expect = 'value';
    } else if (expect === 'comma-or-end' && sign === ',') {
      expect = open.at(-1) === '{' ? 'name' : 'value';
    } else if (closes(expect, sign, open.at(-1))) {
      open.pop();
      expect = afterValue();
    } else {
      return start;
    }
    offset = token.lastIndex;
  }
}

function closes(expect: string, sign: string | undefined, open: '{' | '[' | undefined): boolean {
  if (sign === '}') return open === '{' && (expect === 'name-or-end' || expect === 'comma-or-end');
  if (sign === ']') return open === '[' && (expect === 'value-or-end' || expect === 'comma-or-end');
  return false;
}
