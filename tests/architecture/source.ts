import { posix } from 'node:path';
import { type Program, parseSync, Visitor } from 'oxc-parser';

/** One file of the repository, read and parsed once for all rules. */
export interface SourceFile {
  /** From the repository's root, with forward slashes. */
  path: string;
  text: string;
  imports: readonly Import[];
  program: Program;
  /** Counts from 1. */
  lineAt(offset: number): number;
}

export interface Import {
  /** The imported file's path from the root; `undefined` for packages and what Node brings. */
  file: string | undefined;
  /** The package's name, `node:...` included; `undefined` for our own files. */
  package: string | undefined;
  /**
   * `value`: needed when the file is loaded. `dynamic`: `import()`, when that line runs. `type`: gone at runtime.
   * `url`: `new URL('./x.ts', import.meta.url)`, how a program names another that it starts.
   */
  how: 'value' | 'dynamic' | 'type' | 'url';
  line: number;
}

/** A rule looks at the whole tree and returns one sentence a violation: where, what, and what to do instead. */
export type Rule = (files: readonly SourceFile[]) => string[];

/** @throws when it does not parse. */
export function parseSource(path: string, text: string): SourceFile {
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`);
  const lineAt = (offset: number) => text.slice(0, offset).split('\n').length;
  const imports: Import[] = [];
  const add = (specifier: string, how: Import['how'], offset: number) =>
    imports.push({ ...resolveImport(path, specifier), how, line: lineAt(offset) });
  const literal = (node: { type: string } | undefined) =>
    node?.type === 'Literal' && 'value' in node && typeof node.value === 'string' ? node.value : undefined;

  new Visitor({
    ImportDeclaration(node) {
      const onlyTypes =
        node.importKind === 'type' ||
        (node.specifiers.length > 0 &&
          node.specifiers.every((each) => 'importKind' in each && each.importKind === 'type'));
      add(node.source.value, onlyTypes ? 'type' : 'value', node.start);
    },
    ExportNamedDeclaration(node) {
      if (node.source) add(node.source.value, node.exportKind === 'type' ? 'type' : 'value', node.start);
    },
    ExportAllDeclaration(node) {
      add(node.source.value, node.exportKind === 'type' ? 'type' : 'value', node.start);
    },
    ImportExpression(node) {
      const specifier = literal(node.source);
      if (specifier !== undefined) add(specifier, 'dynamic', node.start);
    },
    NewExpression(node) {
      if (node.callee.type !== 'Identifier' || node.callee.name !== 'URL' || node.arguments.length !== 2)
        return;
      const specifier = literal(node.arguments[0]);
      if (specifier?.startsWith('.') && /\.[jt]s$/.test(specifier)) add(specifier, 'url', node.start);
    },
  }).visit(program);
  return { path, text, imports, program, lineAt };
}

function resolveImport(from: string, specifier: string): Pick<Import, 'file' | 'package'> {
  if (specifier.startsWith('.')) {
    return { file: posix.normalize(posix.join(posix.dirname(from), specifier)), package: undefined };
  }
  const parts = specifier.split('/');
  return { file: undefined, package: specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]! };
}

export function isTest(path: string): boolean {
  return path.startsWith('tests/');
}

/** Everything that ships; configuration of tools at the root is neither. */
export function isProduction(path: string): boolean {
  return path.includes('/') && !isTest(path);
}
