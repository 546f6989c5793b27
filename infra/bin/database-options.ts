import {
  describeOptions,
  type Environment,
  option,
  parseOptions,
  value,
} from '../../contexts/base/options.ts';

/** What the commands that work on the hub's database directly need. */
export const databaseOptions = {
  databaseUrl: option({
    env: 'DATABASE_URL',
    schema: value.url(['postgres', 'postgresql']),
    doc: "The hub's Postgres: postgres://user:password@host:port/database.",
    secret: true,
  }),
};

/** @throws ConfigurationError when it is absent or no such URL. */
export function databaseUrlOf(environment: Environment): string {
  return parseOptions(databaseOptions, { DATABASE_URL: environment.DATABASE_URL }).databaseUrl;
}

export function databaseHelp(): string {
  return `\nConfigured by environment variables:\n\n${describeOptions(databaseOptions)}`;
}
