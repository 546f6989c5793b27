import { type CommandNode, everyNode } from '../command-tree.ts';

/**
 * The script walks the words before the cursor from command to command, then offers what stands under that path:
 * after a flag that takes a choice its choices, else subcommands, and flags where a dash was typed. Where nothing is
 * offered, file names are.
 */
export function bashCompletion(tree: CommandNode): string {
  const nodes = everyNode(tree);
  const steps = nodes
    .filter(({ words }) => words.length > 0)
    .flatMap(({ words, aliases }) => {
      const before = words.slice(0, -1).join(' ');
      return [words.at(-1)!, ...aliases].map(
        (name) => `    "${before}/${name}") path="${words.join(' ')}" ;;`,
      );
    });
  const offers = nodes.map(
    ({ words, children, flags }) =>
      `    "${words.join(' ')}") commands="${names(children).join(' ')}" flags="${flags.map(({ long }) => long).join(' ')}" ;;`,
  );
  const values = nodes.flatMap(({ words, flags }) =>
    flags
      .filter(({ takes }) => takes === 'a value')
      .map(
        ({ long, choices }) =>
          `    "${words.join(' ')}/${long}") takes=value choices="${choices.join(' ')}" ;;`,
      ),
  );
  return `# bash completion of spokecast: source <(spokecast completion bash)
_spokecast() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" word="" commands="" flags="" takes="" choices="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if [[ $takes == value ]]; then takes="" choices=""; continue; fi
    if [[ $word == -* ]]; then _spokecast_takes "$path/$word"; continue; fi
    _spokecast_step "$path/$word"
  done
  COMPREPLY=()
  if [[ $takes == value ]]; then
    if [[ -n $choices ]]; then COMPREPLY=($(compgen -W "$choices" -- "$current")); fi
    return
  fi
  _spokecast_offers "$path"
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  elif [[ -n $commands ]]; then
    COMPREPLY=($(compgen -W "$commands" -- "$current"))
  fi
}
_spokecast_step() {
  case "$1" in
${steps.join('\n')}
  esac
}
_spokecast_takes() {
  case "$1" in
${values.join('\n')}
  esac
}
_spokecast_offers() {
  case "$1" in
${offers.join('\n')}
  esac
}
complete -o bashdefault -o default -F _spokecast spokecast
`;
}

/** Aliases complete too where they are typed, and are not offered: one name is enough to choose from. */
function names(children: readonly CommandNode[]): string[] {
  return children.map(({ words }) => words.at(-1)!);
}
