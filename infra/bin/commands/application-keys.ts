import { type Command, Option } from 'commander';
import { addApiCommands } from '../api/build.ts';
import type { Cli } from '../cli.ts';
import { databaseAddressOf, databaseHelp } from '../database-options.ts';
import type { HubFlags } from '../hub-options.ts';

type Flags = HubFlags & {
  database?: boolean;
  role?: 'owner' | 'admin' | 'viewer';
  name?: string;
  tenantId?: string;
  tenant?: string;
  json?: boolean;
};

/** By the API, but for the first one, which nobody could ask for: that is made straight in the database. */
export function addApplicationKeys(group: Command, cli: Cli): void {
  addApiCommands(group, cli, {
    createApplicationKey: async (given) => {
      const flags = given as Flags;
      if (!flags.database && !isInDatabase(cli, flags)) return 'ask-the-hub';
      await createInDatabase(flags, cli);
      return 'done';
    },
  });
  group.commands
    .find((command) => command.name() === 'create')!
    .option(
      '--database',
      'make it straight in the database, as the first one: the default where DATABASE_URL is given and no key is',
    )
    .addOption(new Option('--tenant <id>', 'as --tenant-id').hideHelp())
    .addHelpText('after', databaseHelp);
}

/** The environment goes before profiles here too: who gives a database and no key means the database. */
function isInDatabase({ environment }: Cli, flags: Flags): boolean {
  const { SPOKECAST_APPLICATION_KEY: key, SPOKECAST_APPLICATION_KEY_FILE: keyFile } = environment;
  const { SPOKECAST_PROFILE: profile, DATABASE_URL: database } = environment;
  return Boolean(database) && ![flags.hub, flags.keyFile, flags.profile, key, keyFile, profile].some(Boolean);
}

async function createInDatabase(flags: Flags, { environment, terminal }: Cli): Promise<void> {
  const { role, name, tenantId = flags.tenant, json } = flags;
  if (role === undefined || name === undefined) throw new Error('--role and --name are required');
  const database = databaseAddressOf(environment);
  const { createApplicationKey } = await import('../../../hub/bootstrap.ts');
  const { id, secret } = await createApplicationKey(database, { role, tenantId, name });
  if (!json)
    terminal.say(
      `Made ${id} (${role}) in the database. This is its secret, shown this once and kept nowhere:`,
    );
  terminal.print(json ? JSON.stringify({ id, secret }) : secret);
}
