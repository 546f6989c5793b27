import { Argument, type Command } from 'commander';
import type { Cli } from '../cli.ts';
import type { CommandNode } from '../command-tree.ts';

/** How each shell's script is made. */
const shells: Readonly<Record<string, () => Promise<(tree: CommandNode) => string>>> = {
  bash: async () => (await import('../completion/bash.ts')).bashCompletion,
  zsh: async () => (await import('../completion/zsh.ts')).zshCompletion,
  fish: async () => (await import('../completion/fish.ts')).fishCompletion,
};

export function addCompletion(command: Command, cli: Cli): void {
  command
    .addArgument(new Argument('<shell>').choices(Object.keys(shells)))
    .addHelpText(
      'after',
      `
bash  source <(spokecast completion bash)                                        in ~/.bashrc
zsh   spokecast completion zsh > "\${fpath[1]}/_spokecast"
fish  spokecast completion fish > ~/.config/fish/completions/spokecast.fish`,
    )
    .action(async (shell: string) => {
      const [{ createProgram }, { treeOf }] = await Promise.all([
        import('../program.ts'),
        import('../command-tree.ts'),
      ]);
      const print = await shells[shell]!();
      cli.terminal.print(print(treeOf(await createProgram(cli, 'all'))).trimEnd());
    });
}
