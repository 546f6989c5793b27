import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, test } from 'vitest';

/** Programs that some suites need and npm does not install. */
const requirements = {
  'redis-server': { commands: ['redis-server'], install: 'apt-get install redis-server' },
  chromium: {
    commands: ['chromium', 'chromium-browser', 'google-chrome'],
    install: 'apt-get install chromium',
  },
} as const;

export type Requirement = keyof typeof requirements;

/** Where the program is, or `undefined` where this machine lacks it. */
export function findRequirement(name: Requirement): string | undefined {
  const directories = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  const paths = requirements[name].commands.flatMap((command) =>
    directories.map((directory) => join(directory, command)),
  );
  return paths.find(isExecutable);
}

/**
 * `describe` for suites that need a program. Without it the suite is skipped under a name that says how to get
 * it; under `CI=true` that is a failure, because there everything must run.
 */
export function describeWith(requirement: Requirement, name: string, fn: () => void): void {
  if (findRequirement(requirement)) {
    describe(name, fn);
    return;
  }
  const { install } = requirements[requirement];
  if (process.env.CI === 'true') {
    test(`${name} (needs ${requirement})`, () => {
      throw new Error(`${requirement} is not installed: ${install}`);
    });
    return;
  }
  describe.skip(`${name} (needs ${requirement}: ${install})`, fn);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
