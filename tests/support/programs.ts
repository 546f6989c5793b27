import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Programs that some suites need and npm does not install. */
export const requirements = {
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

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
