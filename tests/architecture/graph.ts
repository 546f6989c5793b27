import { isProduction, isTest, type Rule, type SourceFile } from './source.ts';

/** No file needs itself, however indirectly, to be loaded. Types may point in circles. */
export const noCycles: Rule = (files) => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const finished = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      found.push(
        `${[...trail.slice(start), path].join(' -> ')}: a cycle; move what both need into a third file`,
      );
      return;
    }
    if (finished.has(path)) return;
    for (const target of loaded(byPath.get(path))) visit(target, [...trail, path]);
    finished.add(path);
  };
  for (const { path } of files) visit(path, []);
  return found;
};

/** Every production file is reached from one that somebody starts; every test helper from a test. */
export function noDeadFiles(entries: readonly string[]): Rule {
  return (files) => {
    const missing = entries.filter((entry) => !files.some((file) => file.path === entry));
    const tests = files.filter((file) => isTestEntry(file.path)).map((file) => file.path);
    const used = reachable(files, entries);
    const usedByTests = reachable(files, [...tests, ...entries]);
    const dead = files
      .filter(({ path }) => !path.endsWith('.d.ts'))
      .flatMap(({ path }) => {
        if (isProduction(path) && !used.has(path)) {
          const advice = usedByTests.has(path)
            ? 'only tests use it: move it to tests/support/'
            : 'import it or remove it';
          return [`${path}: nothing that runs imports it; ${advice}`];
        }
        return isTest(path) && !usedByTests.has(path) ? [`${path}: no test imports it; remove it`] : [];
      });
    return [...missing.map((entry) => `${entry}: is named as an entry point but does not exist`), ...dead];
  };
}

/**
 * A test's name says what it needs: `.pg.` Postgres, `.kv.` dynalite, `.redis.` Redis (and Postgres and dynalite),
 * `.wheel.` real processes, so that what needs nothing can be run on its own.
 */
const needs: readonly { support: string; suffixes: readonly string[] }[] = [
  { support: 'tests/support/database.ts', suffixes: ['pg', 'redis', 'wheel', 'browser'] },
  { support: 'tests/support/redis.ts', suffixes: ['redis', 'wheel'] },
  { support: 'tests/support/dynalite.ts', suffixes: ['kv', 'pg', 'redis', 'wheel', 'browser'] },
  { support: 'tests/support/wheel.ts', suffixes: ['wheel', 'browser'] },
];

export const suffixesSayNeeds: Rule = (files) =>
  files
    .filter((file) => file.path.endsWith('.test.ts'))
    .flatMap(({ path }) => {
      const reached = reachable(files, [path], isTest);
      const suffix = /\.(\w+)\.test\.ts$/.exec(path)?.[1];
      return needs.flatMap(({ support, suffixes }) => {
        if (!reached.has(support) || (suffix && suffixes.includes(suffix))) return [];
        return [
          `${path}: uses ${support}, so its name must end in ${suffixes.map((each) => `.${each}.test.ts`).join(' or ')}`,
        ];
      });
    });

function isTestEntry(path: string): boolean {
  return (
    path.endsWith('.test.ts') || /^tests\/(bench\/|simulation\/main\.ts$)/.test(path) || !path.includes('/')
  );
}

function loaded(file: SourceFile | undefined): string[] {
  return (file?.imports ?? []).flatMap(({ file: target, how }) =>
    target && how === 'value' ? [target] : [],
  );
}

/** Everything the given files lead to in any way, themselves included; optionally without leaving `within`. */
function reachable(
  files: readonly SourceFile[],
  from: readonly string[],
  within = (_: string) => true,
): Set<string> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const seen = new Set<string>();
  const queue = [...from];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (seen.has(path) || !within(path)) continue;
    seen.add(path);
    for (const { file } of byPath.get(path)?.imports ?? []) if (file) queue.push(file);
  }
  return seen;
}
