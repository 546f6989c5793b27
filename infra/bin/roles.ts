import type { Environment, OptionTable } from '../../contexts/base/options.ts';
import { hubOptions } from '../../hub/config.ts';
import { publisherOptions } from '../../publisher/config.ts';
import { gatewayOptions } from '../../spoke/config.ts';
import { commandList } from './command-list.ts';
import { gatewayClientOptions } from './gateway-options.ts';
import { hubClientOptions } from './hub-options.ts';

/** The long-running roles: one subcommand each, and one chapter each of docs/reference/options.md. */
export interface ServiceRole {
  name: 'hub' | 'publisher' | 'gateway';
  summary: string;
  options: OptionTable;
  /** Runs until it is asked to end; resolves with the exit code. Loaded when run: a gateway loads no hub. */
  main(environment: Environment, known: readonly string[]): Promise<number>;
}

const summaryOf = (name: string) => commandList.find((listed) => listed.name === name)!.summary;

export const serviceRoles: readonly ServiceRole[] = [
  {
    name: 'hub',
    summary: summaryOf('hub'),
    options: hubOptions,
    main: async (environment, known) => (await import('../../hub/main.ts')).main(environment, known),
  },
  {
    name: 'publisher',
    summary: summaryOf('publisher'),
    options: publisherOptions,
    main: async (environment, known) => (await import('../../publisher/main.ts')).main(environment, known),
  },
  {
    name: 'gateway',
    summary: summaryOf('gateway'),
    options: gatewayOptions,
    main: async (environment, known) => (await import('../../spoke/main.ts')).main(environment, known),
  },
];

/** Every option of every role: a variable that is meant for another role is no mistake in this one. */
export const knownVariables: readonly string[] = [
  ...new Set(
    [...serviceRoles.map((role) => role.options), hubClientOptions, gatewayClientOptions].flatMap(
      (table: OptionTable) => Object.values(table).map((entry) => entry.env),
    ),
  ),
];
