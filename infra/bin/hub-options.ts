import { readFileSync } from 'node:fs';
import {
  ConfigurationError,
  type Environment,
  option,
  parseOptions,
  value,
} from '../../contexts/base/options.ts';

/** What the commands that ask a hub need; each may also be given as a flag. */
export const hubClientOptions = {
  hubUrl: option({
    env: 'SPOKECAST_HUB_URL',
    schema: value.url(['http', 'https']),
    default: 'http://127.0.0.1:4000',
    doc: 'Where the hub answers.',
  }),
  applicationKey: option({
    env: 'SPOKECAST_APPLICATION_KEY',
    schema: value.matching(/^\S+$/, 'an application key'),
    optional: true,
    doc: 'The application key to ask with.',
    secret: true,
  }),
  applicationKeyFile: option({
    env: 'SPOKECAST_APPLICATION_KEY_FILE',
    schema: value.text('a path'),
    optional: true,
    doc: 'A file that holds the application key, where it is not given itself.',
  }),
};

export interface HubAddress {
  url: string;
  applicationKey: string;
}

/** @throws ConfigurationError naming what is absent or wrong. */
export function hubAddress(environment: Environment, flags: { hub?: string; keyFile?: string }): HubAddress {
  const given = { ...environment };
  if (flags.hub !== undefined) given.SPOKECAST_HUB_URL = flags.hub;
  if (flags.keyFile !== undefined) {
    given.SPOKECAST_APPLICATION_KEY_FILE = flags.keyFile;
    given.SPOKECAST_APPLICATION_KEY = undefined;
  }
  const names = Object.values(hubClientOptions).map(({ env }) => env);
  const { hubUrl, applicationKey, applicationKeyFile } = parseOptions(
    hubClientOptions,
    Object.fromEntries(names.map((name) => [name, given[name]])),
  );
  const key = applicationKey ?? (applicationKeyFile === undefined ? undefined : readKey(applicationKeyFile));
  if (key === undefined) {
    throw new ConfigurationError([
      'SPOKECAST_APPLICATION_KEY is required, or SPOKECAST_APPLICATION_KEY_FILE (or --key-file) with the path of a file that holds it',
    ]);
  }
  return { url: hubUrl.replace(/\/+$/, ''), applicationKey: key };
}

function readKey(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new ConfigurationError([`the key file ${path} cannot be read: ${(error as Error).message}`]);
  }
  if (!/^\S+$/.test(text))
    throw new ConfigurationError([`the key file ${path} does not hold one application key`]);
  return text;
}
