import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { databaseAddressOf, databaseHelp } from '../database-options.ts';

export function addMigrate(command: Command, { environment, terminal }: Cli): void {
  command.addHelpText('after', databaseHelp).action(async () => {
    const database = databaseAddressOf(environment);
    const { migrate } = await import('../../../hub/db/migrate.ts');
    const applied = await migrate(database);
    for (const name of applied) terminal.print(`applied ${name}`);
    terminal.print(applied.length > 0 ? 'the database is up to date' : 'the database was up to date already');
  });
}
