import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isProduction, parseSource, type Rule, type SourceFile } from './source.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** What may stand at the top of the repository. Folders are the architecture: a new one is a decision. */
const topLevel = new Set([
  ...['contexts', 'hub', 'publisher', 'spoke', 'infra', 'tests', 'docs', '.ci', '.github'],
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md', 'LICENSE', 'NOTICE'],
  ...[
    'package.json',
    'package-lock.json',
    '.npmrc',
    'tsconfig.json',
    'biome.json',
    'vitest.config.ts',
    'drizzle.config.ts',
  ],
  ...['.gitignore', '.gitattributes', '.editorconfig', '.dockerignore', 'Dockerfile'],
]);
/** Never committed. */
const untracked = /^(\.git|node_modules|coverage|\.spokecast.*|.*\.log)$/;

export const productionLinesMax = 400;

/** Files that may be longer, how long, and why. An entry goes when its file is short again. */
const longFiles: Readonly<Record<string, { linesMax: number; because: string }>> = {
  'spoke/cache/cache.ts': {
    linesMax: 640,
    because: 'it is one state machine, whose transitions are read together',
  },
};

/** Every file of the repository as text, by its path from the root; what is not text, or generated, left out. */
export function readTexts(): Map<string, string> {
  const texts = new Map<string, string>();
  const read = (path: string) => {
    for (const name of readdirSync(join(root, path))) {
      const child = path ? `${path}/${name}` : name;
      if (untracked.test(name)) continue;
      if (statSync(join(root, child)).isDirectory()) read(child);
      else if (/\.(ts|js|json|md|sql|ya?ml|sh)$|^[^.]+$|^\.\w+$|\.ci\/run$/.test(name)) {
        texts.set(child, readFileSync(join(root, child), 'utf8'));
      }
    }
  };
  read('');
  return texts;
}

export function parseTexts(texts: ReadonlyMap<string, string>): SourceFile[] {
  return [...texts].filter(([path]) => /\.[jt]s$/.test(path)).map(([path, text]) => parseSource(path, text));
}

export function topLevelNames(names: readonly string[]): string[] {
  return names
    .filter((name) => !untracked.test(name) && !topLevel.has(name))
    .map(
      (name) =>
        `${name}: does not belong at the top; put it where its reader looks, or add it to tests/architecture/tree.ts`,
    );
}

export const shortFiles: Rule = (files) =>
  files.flatMap(({ path, text }) => {
    if (path.includes('/generated/')) return [];
    const lines = text.split('\n').length;
    const linesMax = longFiles[path]?.linesMax ?? productionLinesMax;
    if (path in longFiles && lines <= productionLinesMax)
      return [`${path}: is short again; remove it from longFiles`];
    if (!isProduction(path) || lines <= linesMax) return [];
    return [
      `${path}: has ${lines} lines, more than ${linesMax}; it holds more than one concept, give each a file`,
    ];
  });

/** What would tie the repository to one machine or one registry. */
export function portableTexts(texts: ReadonlyMap<string, string>, machineRoot: string): string[] {
  const homes = new RegExp(['/(root|home', 'Users)/[A-Za-z]'].join('|'));
  return [...texts].flatMap(([path, text]) =>
    text.split('\n').flatMap((line, index) => {
      const at = `${path}:${index + 1}`;
      if (path === 'package-lock.json') {
        return /"resolved": "\w+:\/\//.test(line)
          ? [`${at}: names a registry; keep omit-lockfile-registry-resolved in .npmrc`]
          : [];
      }
      if (machineRoot.length > 1 && line.includes(`${machineRoot}/`))
        return [`${at}: names this machine's checkout; use a relative path`];
      return homes.test(line) ? [`${at}: names somebody's home directory; use a relative path`] : [];
    }),
  );
}

export interface LockFile {
  packages: Record<string, { optionalDependencies?: Record<string, string>; hasInstallScript?: boolean }>;
}

/** `npm ci` refuses a lock that lacks a package of another platform, and runs only scripts that package.json allows. */
export function completeLock(lock: LockFile, allowScripts: Readonly<Record<string, boolean>>): string[] {
  const nameOf = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const locked = new Set(Object.keys(lock.packages).map(nameOf));
  return Object.entries(lock.packages).flatMap(([path, entry]) => {
    const absent = Object.keys(entry.optionalDependencies ?? {}).filter((name) => !locked.has(name));
    const undecided = path !== '' && entry.hasInstallScript && !(nameOf(path) in allowScripts);
    return [
      ...absent.map(
        (name) => `package-lock.json: ${path} wants ${name}, which has no entry; npm ci will refuse it`,
      ),
      ...(undecided
        ? [`package.json: allowScripts must say whether ${nameOf(path)} may run its install script`]
        : []),
    ];
  });
}
