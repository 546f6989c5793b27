import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Programs that some suites need and npm does not install. */
export const requirements = {
  'redis-server': { commands: ['redis-server'], install: 'apt-get install redis-server' },
  chromium: {
    commands: ['chromium', 'chromium-browser', 'google-chrome'],
    install: 'apt-get install chromium',
  },
  openssl: { commands: ['openssl'], install: 'apt-get install openssl' },
  tcpdump: { commands: ['tcpdump'], install: 'apt-get install tcpdump' },
  ip: { commands: ['ip'], install: 'apt-get install iproute2' },
  nginx: { commands: ['nginx'], install: 'apt-get install nginx' },
  haproxy: { commands: ['haproxy'], install: 'apt-get install haproxy' },
  pgbouncer: { commands: ['pgbouncer'], install: 'apt-get install pgbouncer' },
  promtool: { commands: ['promtool'], install: 'apt-get install --no-install-recommends prometheus' },
  caddy: { commands: ['caddy'], install: 'apt-get install caddy' },
} as const;

export type Requirement = keyof typeof requirements;

/** Where the program is, or `undefined` where this machine lacks it. */
export function findRequirement(name: Requirement): string | undefined {
  // Debian keeps servers where an ordinary user's PATH does not lead.
  const directories = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), '/usr/sbin', '/sbin'];
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
