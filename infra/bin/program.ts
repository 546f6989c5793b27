import { Command } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import type { Cli } from './cli.ts';
import { commandList } from './command-list.ts';

const beginning = `
To begin: \`spokecast login --hub <url>\` keeps a hub and a key, \`spokecast status\` shows all regions, and
\`spokecast <command> --help\` says what a command takes.`;

/**
 * The whole command. Of the commands at the top only the one that is named is loaded, or all of them where `which` is
 * `all` (for the reference and the completions).
 */
export async function createProgram(cli: Cli, which: string | 'all' | undefined): Promise<Command> {
  const program = new Command('spokecast')
    .description(manifest.description)
    .version(manifest.version)
    .showHelpAfterError('(--help says more)')
    .helpCommand(false)
    .addHelpText('after', beginning);
  for (const { name, alias, summary, heading, load } of commandList) {
    const command = program.command(name).description(summary).helpGroup(`${heading}:`);
    if (alias !== undefined) command.alias(alias);
    command.copyInheritedSettings(program).helpCommand(false);
    if (which === 'all' || which === name || (alias !== undefined && which === alias))
      (await load())(command, cli);
  }
  return program;
}
