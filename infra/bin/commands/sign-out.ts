import { type Command, Option } from 'commander';
import { ConfigurationError } from '../../../contexts/base/options.ts';
import type { Cli } from '../cli.ts';
import { databaseAddressOf, databaseHelp } from '../database-options.ts';

interface Flags {
  all?: boolean;
  user?: string;
  json?: boolean;
}

/** What rotating a secret of sessions would do elsewhere: here there is none, and sessions are rows. */
export function addSignOut(hub: Command, { environment, terminal }: Cli): void {
  hub
    .command('sign-out')
    .description("end the sessions of everybody, or of one person, in every hub's browsers at once")
    .addOption(new Option('--all', 'of everybody').conflicts('user'))
    .option('--user <id>', 'of this person: usr_...')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      () =>
        `\nWorks straight in the database; the hub need not run. Application keys go on working: \`spokecast application-keys\`\nrevokes those. It is in the audit log.\n${databaseHelp()}`,
    )
    .action(async ({ all, user, json }: Flags) => {
      if (!all && user === undefined) throw new ConfigurationError(['say --all, or --user usr_...']);
      const database = databaseAddressOf(environment);
      const { signOut } = await import('../../../hub/bootstrap.ts');
      const { sessions, people } = await signOut(
        database,
        user === undefined ? 'everybody' : { userId: user },
      );
      if (json) terminal.print(JSON.stringify({ sessions, people }));
      else terminal.say(`Ended ${sessions} session(s) of ${people} person(s).`);
    });
}
