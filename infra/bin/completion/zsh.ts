import { type CommandNode, everyNode, type Flag } from '../command-tree.ts';

/** One function a command, on zsh's own `_arguments` and `_describe`. */
export function zshCompletion(tree: CommandNode): string {
  return `#compdef spokecast
# zsh completion of spokecast: spokecast completion zsh > "\${fpath[1]}/_spokecast"
${everyNode(tree).map(functionOf).join('\n')}
if [ "$funcstack[1]" = "_spokecast" ]; then _spokecast "$@"; else compdef _spokecast spokecast; fi
`;
}

function functionOf(node: CommandNode): string {
  const name = functionName(node.words);
  const specs = node.flags.map((flag) => `    ${quoted(specOf(flag))}`);
  if (node.children.length === 0) {
    return `${name}() {\n  _arguments \\\n${[...specs, "    '*: :_files'"].join(' \\\n')}\n}`;
  }
  const children = node.children.map(({ words, summary }) =>
    quoted(`${words.at(-1)}:${summary.replaceAll(':', '\\:')}`),
  );
  const cases = node.children.map(({ words, aliases }) => {
    const pattern = [words.at(-1)!, ...aliases].join('|');
    return `      ${pattern}) ${functionName(words)} ;;`;
  });
  return `${name}() {
  local line state
  local -a commands=(
    ${children.join('\n    ')}
  )
  _arguments -C \\
${[...specs, "    '1: :->command'", "    '*:: :->rest'"].join(' \\\n')}
  case $state in
    command) _describe command commands ;;
    rest) case $line[1] in
${cases.join('\n')}
    esac ;;
  esac
}`;
}

function specOf({ long, description, takes, choices }: Flag): string {
  const text = description.replaceAll(/[[\]\\]/g, (letter) => `\\${letter}`).replaceAll(':', '\\:');
  if (takes === 'nothing') return `${long}[${text}]`;
  const offered = choices.length > 0 ? `(${choices.join(' ')})` : '_files';
  return `${long}[${text}]:${takes === 'a value' ? '' : ':'}value:${offered}`;
}

function functionName(words: readonly string[]): string {
  return ['_spokecast', ...words].join('_').replaceAll('-', '_');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
