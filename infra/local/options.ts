import { Command, CommanderError, InvalidArgumentError, type OptionValues } from 'commander';
import { portSpan } from './layout.ts';

export interface WheelOptions {
  /** Removes what an earlier run left before starting. */
  fresh: boolean;
  portBase: number;
  directory: string;
  restart: boolean;
}

const portBaseMin = 1024;
const portBaseMax = 65_535 - portSpan;

/**
 * Reads the flags of `npm start --`.
 * @returns the exit code instead when there is nothing to start: help was asked for, or a flag is wrong and was named.
 */
export function readWheelOptions(flags: readonly string[]): WheelOptions | number {
  const command = new Command('npm start --')
    .description('Runs a hub, a publisher and three spokes on this machine, with everything they need.')
    .option('--fresh', 'start over: remove what earlier runs kept in the directory', false)
    .option('--port-base <n>', `listen on ports n to n+${portSpan}`, readPortBase, 4000)
    .option('--dir <directory>', 'keep state, logs and wheel.json here', '.spokecast')
    .option('--no-restart', 'leave a process that dies dead')
    .showHelpAfterError('(npm start -- --help lists the flags)');
  const parsed = parseFlags(command, flags);
  if (typeof parsed === 'number') return parsed;
  const { fresh, portBase, dir, restart } = parsed;
  return { fresh, portBase, directory: dir, restart };
}

/** What the flags come to. @returns the exit code instead where help was asked for, or a flag is wrong and was named. */
export function parseFlags(command: Command, flags: readonly string[]): OptionValues | number {
  try {
    return command.allowExcessArguments(false).exitOverride().parse(flags, { from: 'user' }).opts();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    throw error;
  }
}

function readPortBase(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < portBaseMin || port > portBaseMax) {
    throw new InvalidArgumentError(`It must be a whole number from ${portBaseMin} to ${portBaseMax}.`);
  }
  return port;
}
