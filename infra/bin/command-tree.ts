import type { Command } from 'commander';

/** A command as the reference and the completions see it. */
export interface CommandNode {
  /** From the program on, without it: `['clusters', 'create']`. */
  words: readonly string[];
  aliases: readonly string[];
  summary: string;
  /** As the help says it: `<id>`, `[region]`, `<id...>`. */
  args: readonly { usage: string; description: string }[];
  flags: readonly Flag[];
  children: readonly CommandNode[];
}

export interface Flag {
  /** `--limit <count>`. */
  usage: string;
  long: string;
  short: string | undefined;
  description: string;
  takes: 'nothing' | 'a value' | 'maybe a value';
  choices: readonly string[];
  required: boolean;
  default: unknown;
}

/** The command and all below it, in the order of the help. */
export function treeOf(command: Command, words: readonly string[] = []): CommandNode {
  const help = command.createHelp();
  return {
    words,
    aliases: command.aliases(),
    summary: command.description(),
    args: command.registeredArguments.map((one) => ({
      usage: help
        .argumentTerm(one)
        .replace(/^[^<[].*/, (name) => argumentUsage(name, one.required, one.variadic)),
      description: one.description,
    })),
    flags: help.visibleOptions(command).map((option) => ({
      usage: option.flags,
      long: option.long ?? option.flags,
      short: option.short,
      description: option.description,
      takes: option.required ? 'a value' : option.optional ? 'maybe a value' : 'nothing',
      choices: option.argChoices ?? [],
      required: option.mandatory,
      default: option.negate ? undefined : option.defaultValue,
    })),
    children: command.commands.map((one) => treeOf(one, [...words, one.name()])),
  };
}

function argumentUsage(name: string, required: boolean, variadic: boolean): string {
  const dots = variadic ? '...' : '';
  return required ? `<${name}${dots}>` : `[${name}${dots}]`;
}

/** The node and all below it. */
export function everyNode(node: CommandNode): CommandNode[] {
  return [node, ...node.children.flatMap(everyNode)];
}
