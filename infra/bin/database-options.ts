import {
  describeOptions,
  type Environment,
  option,
  parseOptions,
  value,
} from '../../contexts/base/options.ts';
import { addressOf, addressOptions, commandAddressOf, type DatabaseAddress } from '../../hub/config.ts';

/** What the commands that work on the hub's database directly need. */
export const databaseOptions = {
  databaseUrl: option({
    env: 'DATABASE_URL',
    schema: value.databaseUrl(),
    doc: "The hub's Postgres: postgres://user:password@host:port/database.",
    secret: true,
  }),
  ...addressOptions,
};

/** For a command that does one thing and ends. @throws ConfigurationError when it is absent or no such URL. */
export function databaseAddressOf(environment: Environment): DatabaseAddress {
  return commandAddressOf(read(environment));
}

/** As hub and publisher of that environment would connect. @throws ConfigurationError. */
export function roleAddressOf(environment: Environment): DatabaseAddress {
  return addressOf(read(environment));
}

function read(environment: Environment) {
  const given = Object.values(databaseOptions).map(({ env }) => [env, environment[env]]);
  return parseOptions(databaseOptions, Object.fromEntries(given));
}

export function databaseHelp(): string {
  return `\nConfigured by environment variables:\n\n${describeOptions(databaseOptions)}`;
}
