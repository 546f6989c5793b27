import { type CommandNode, everyNode, type Flag } from '../command-tree.ts';

/** One line a command and a flag; a function tells which commands were typed before. */
export function fishCompletion(tree: CommandNode): string {
  const lines = spellings(tree).flatMap((node) => [
    ...node.children.map((child) => offer(node, child)),
    ...node.flags.map((flag) => flagLine(node, flag)),
  ]);
  return `# fish completion of spokecast: spokecast completion fish > ~/.config/fish/completions/spokecast.fish
function __spokecast_at
    set -l typed (commandline -opc | string match -v -- '-*')
    set -l last (math (count $argv) + 1)
    test (count $typed) -ge $last; or return 1
    test (count $argv) -eq 0; or test "$typed[2..$last]" = "$argv"
end
function __spokecast_just_at
    __spokecast_at $argv; and test (count (commandline -opc | string match -v -- '-*')) -eq (math (count $argv) + 1)
end
${lines.join('\n')}
`;
}

/** Every command by its path, and by those that an older name at the top leads to. */
function spellings(tree: CommandNode): CommandNode[] {
  const older = tree.children.flatMap((child) =>
    child.aliases.flatMap((alias) =>
      everyNode(child).map((node) => ({ ...node, words: [alias, ...node.words.slice(1)] })),
    ),
  );
  return [...everyNode(tree), ...older];
}

function offer({ words }: CommandNode, child: CommandNode): string {
  const condition = quoted(['__spokecast_just_at', ...words].join(' '));
  return `complete -c spokecast -f -n ${condition} -a ${child.words.at(-1)} -d ${quoted(child.summary)}`;
}

function flagLine({ words }: CommandNode, { long, description, takes, choices }: Flag): string {
  const condition = quoted(['__spokecast_at', ...words].join(' '));
  const value = takes !== 'a value' ? '' : choices.length > 0 ? ` -x -a ${quoted(choices.join(' '))}` : ' -r';
  return `complete -c spokecast -n ${condition} -l ${long.replace(/^--/, '')}${value} -d ${quoted(description)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
