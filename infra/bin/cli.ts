import { type Command, InvalidArgumentError } from 'commander';
import type { Clock } from '../../contexts/base/clock.ts';
import type { Environment } from '../../contexts/base/options.ts';
import { describeOptions } from '../../contexts/base/options.ts';
import { exitCodes } from './exit-codes.ts';
import { hubClientOptions } from './hub-options.ts';
import type { Terminal } from './terminal.ts';

/** What every command is given of the world. */
export interface Cli {
  environment: Environment;
  terminal: Terminal;
  clock: Clock;
  /** Ends the process, after what was printed. */
  exit(code: number): void;
}

export interface HubCommandFlags {
  hub?: string;
  keyFile?: string;
  profile?: string;
  json?: boolean;
}

/** Adds what every command takes that asks a hub. */
export function asksHub(command: Command): Command {
  return command
    .option('--hub <url>', 'where the hub answers')
    .option('--profile <name>', 'the hub and key that `spokecast login` kept under this name')
    .option('--key-file <path>', 'a file that holds the application key')
    .option('--json', 'print the result as JSON, for programs')
    .addHelpText(
      'after',
      () =>
        `\nExit codes: 0 done, 2 the hub refuses, 66 no such thing, 77 key refused, 69 the hub does not answer (all: docs/reference/cli.md).\n\nConfigured by environment variables, or a profile (\`spokecast login\`):\n\n${describeOptions(hubClientOptions)}`,
    );
}

/** Nobody said yes to what cannot be undone. */
export class Unconfirmed extends Error {
  override name = 'Unconfirmed';
  readonly exitCode = exitCodes.unconfirmed;
}

/**
 * Asks a person; programs say `--yes`.
 * @throws Unconfirmed where nobody says yes.
 */
export async function confirm(terminal: Terminal, what: string, yes: boolean | undefined): Promise<void> {
  if (yes) return;
  if (!terminal.isPerson)
    throw new Unconfirmed(`${what}\nNobody is there to confirm it: repeat with --yes. Nothing was changed`);
  const answer = await terminal.ask(`${what}\nGo on? [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new Unconfirmed('Nothing was changed');
}

export function readSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() === '' || !(seconds >= 0 && seconds <= 86_400))
    throw new InvalidArgumentError('It must be from 0 to 86400 seconds.');
  return seconds;
}

export function readCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1.');
  return Number(text);
}

/** For options that may be repeated. */
export function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}
