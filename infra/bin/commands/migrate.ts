import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { databaseHelp, databaseUrlOf } from '../database-options.ts';

export function addMigrate(command: Command, { environment, terminal }: Cli): void {
  command.addHelpText('after', databaseHelp).action(async () => {
    const databaseUrl = databaseUrlOf(environment);
    const { migrate } = await import('../../../hub/db/migrate.ts');
    const applied = await migrate(databaseUrl);
    for (const name of applied) terminal.print(`applied ${name}`);
    terminal.print(applied.length > 0 ? 'the database is up to date' : 'the database was up to date already');
  });
}
