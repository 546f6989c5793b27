import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseAllDocuments,
} from 'yaml';
import type { z } from 'zod';
import { type PlatformFile, platformFile } from './schema.ts';
import { suggestionFor } from './suggestion.ts';

export interface Source {
  /** As the person knows it: a path, or `stdin`. */
  name: string;
  text: string;
}

/** Where something stands, counted from 1. */
export interface Place {
  file: string;
  line: number;
  column: number;
}

export interface Mistake extends Place {
  message: string;
}

/** A part of a source that is as the schema wants it. */
export interface PlatformDocument {
  value: PlatformFile;
  placeOf(path: readonly PropertyKey[]): Place;
}

/** Anchors may be used so often; more is a file made to blow up. */
const aliasesMax = 10_000;

/** The documents of a source that say something, and every mistake in the others. */
export function readDocuments(source: Source): { documents: PlatformDocument[]; mistakes: Mistake[] } {
  const lines = new LineCounter();
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file: source.name, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const documents: PlatformDocument[] = [];
  const mistakes: Mistake[] = [];
  // With `<<`, which YAML 1.2 lost and everybody uses.
  const parsed = parseAllDocuments(source.text, { lineCounter: lines, prettyErrors: false, merge: true });
  for (const document of Array.isArray(parsed) ? parsed : []) {
    // A tag that nobody knows (`!env X`) is only warned of, and would be taken for plain text.
    const wrong = [...document.errors, ...document.warnings];
    if (wrong.length > 0) {
      const tooDeep = wrong.find(({ message }) => isTooDeep(message));
      const told = tooDeep ? [tooDeep] : wrong;
      mistakes.push(...told.map(({ pos, message }) => ({ ...at(pos[0]), message: yamlWords(message) })));
      continue;
    }
    if (document.contents === null || isEmptyScalar(document.contents)) continue; // only comments
    const placeOf = (path: readonly PropertyKey[]) => at(offsetOf(document, path));
    const read = validated(document, placeOf);
    if ('mistakes' in read) mistakes.push(...read.mistakes);
    else documents.push({ value: read.value, placeOf });
  }
  return { documents, mistakes };
}

function isTooDeep(message: string): boolean {
  return message.startsWith('Maximum call stack');
}

function yamlWords(message: string): string {
  return isTooDeep(message) ? 'is nested too deeply to be read' : message;
}

function validated(
  document: Document.Parsed,
  placeOf: PlatformDocument['placeOf'],
): { value: PlatformFile } | { mistakes: Mistake[] } {
  let plain: unknown;
  try {
    plain = document.toJS({ maxAliasCount: aliasesMax });
  } catch (error) {
    return { mistakes: [{ ...placeOf([]), message: yamlWords((error as Error).message) }] };
  }
  let result: ReturnType<typeof platformFile.safeParse>;
  try {
    result = platformFile.safeParse(plain);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { mistakes: [{ ...placeOf([]), message: yamlWords(error.message) }] };
  }
  if (result.success) return { value: result.data };
  const mistakes = flattened(result.error.issues).flatMap(({ issue, path }) => {
    if (issue.code !== 'unrecognized_keys')
      return [
        {
          ...placeOf(path),
          message: `${named(path)}${issue.code === 'invalid_type' && isAbsent(plain, path) ? 'is required' : wordsOf(issue)}`,
        },
      ];
    return issue.keys.map((key) => {
      const meant = suggestionFor(path, key);
      const hint = meant === undefined ? '' : `; is \`${meant}\` meant?`;
      return { ...placeOf([...path, key]), message: `${named([...path, key])}is not known here${hint}` };
    });
  });
  return { mistakes: mistakes.toSorted((a, b) => a.line - b.line || a.column - b.column) };
}

function isAbsent(plain: unknown, path: readonly PropertyKey[]): boolean {
  const value = path.reduce<unknown>(
    (of, step) => (of as Record<PropertyKey, unknown> | null)?.[step],
    plain,
  );
  return value === undefined;
}

/** The issues of a union are those of the alternative that was meant: the one of the value's own type. */
function flattened(
  issues: readonly z.core.$ZodIssue[],
  above: readonly PropertyKey[] = [],
): { issue: z.core.$ZodIssue; path: PropertyKey[] }[] {
  return issues.flatMap((issue) => {
    const path = [...above, ...issue.path];
    if (issue.code !== 'invalid_union') return [{ issue, path }];
    const meant = issue.errors.find(
      ([first]) => !(first?.code === 'invalid_type' && first.path.length === 0),
    );
    return flattened(meant ?? issue.errors[0] ?? [], path);
  });
}

function wordsOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && !issue.message.startsWith('must'))
    return `must be ${article(issue.expected)}`;
  return issue.message;
}

function article(type: string): string {
  const words: Record<string, string> = {
    object: 'a mapping (`name: value` lines)',
    record: 'a mapping (`name: value` lines)',
    array: 'a list (lines that begin with -)',
    string: 'text',
  };
  return words[type] ?? `a ${type}`;
}

/** `tenants[0].clusters[2].name: ` */
function named(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '';
  const text = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  return `${text.replace(/^\./, '')}: `;
}

/** Of what stands at that path, or of the nearest thing above it. For a name in a mapping, of the name. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  let node: Node | null = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document) ?? null;
    const isLast = index === path.length - 1;
    if (isSeq(node) && typeof step === 'number') {
      node = (node.items[step] as ParsedNode | undefined) ?? null;
    } else if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (!pair) return offset;
      if (isLast) return startOf(pair.key as Node) ?? offset;
      node = pair.value as Node | null;
    } else return offset;
    offset = startOf(node) ?? offset;
  }
  return offset;
}

function startOf(node: Node | null): number | undefined {
  return node?.range?.[0];
}

function isEmptyScalar(node: unknown): boolean {
  return isScalar(node) && node.value === null;
}
