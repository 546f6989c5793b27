import { readFileSync } from 'node:fs';
import {
  ConfigurationError,
  type Environment,
  option,
  parseOptions,
  value,
} from '../../contexts/base/options.ts';
import { type Profile, readProfiles } from './profiles.ts';

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
    doc: 'The application key to ask with. Where it is given, no profile is looked at.',
    secret: true,
  }),
  applicationKeyFile: option({
    env: 'SPOKECAST_APPLICATION_KEY_FILE',
    schema: value.text('a path'),
    optional: true,
    doc: 'A file that holds the application key, where it is not given itself.',
  }),
  profile: option({
    env: 'SPOKECAST_PROFILE',
    schema: value.text('the name of a profile'),
    optional: true,
    doc: 'The profile to use, of those that `spokecast login` kept, instead of the current one.',
  }),
};

export interface HubFlags {
  hub?: string;
  keyFile?: string;
  profile?: string;
}

export interface HubAddress {
  url: string;
  applicationKey: string;
  /** The profile that both are of; absent where they are not of one. */
  profile?: string;
}

/**
 * Which hub to ask, and with which key. A key and its hub are never parted: a profile's key goes to the profile's hub
 * and to no other.
 *
 * 1. `--profile` names both.
 * 2. Where a key is given, by flag or environment, it goes to the hub that is given, or the default one.
 * 3. Where a hub is given and no key, the profile of that very hub lends its key.
 * 4. Where nothing is given, `SPOKECAST_PROFILE` or the current profile names both.
 *
 * @throws ConfigurationError naming what is absent or wrong.
 */
export function hubAddress(environment: Environment, flags: HubFlags): HubAddress {
  if (flags.profile !== undefined) {
    if (flags.hub !== undefined || flags.keyFile !== undefined)
      throw new ConfigurationError(['--profile names the hub and the key: leave out --hub and --key-file']);
    return named(environment, flags.profile);
  }
  const given = { ...environment };
  if (flags.hub !== undefined) given.SPOKECAST_HUB_URL = flags.hub;
  if (flags.keyFile !== undefined) {
    given.SPOKECAST_APPLICATION_KEY_FILE = flags.keyFile;
    given.SPOKECAST_APPLICATION_KEY = undefined;
  }
  const names = Object.values(hubClientOptions).map(({ env }) => env);
  const { hubUrl, applicationKey, applicationKeyFile, profile } = parseOptions(
    hubClientOptions,
    Object.fromEntries(names.map((name) => [name, given[name]])),
  );
  const url = withoutSlash(hubUrl);
  const key = applicationKey ?? (applicationKeyFile === undefined ? undefined : readKey(applicationKeyFile));
  if (key !== undefined) return { url, applicationKey: key };
  if (!given.SPOKECAST_HUB_URL) {
    const chosen = profile ?? readProfiles(environment).current;
    if (chosen !== null) return named(environment, chosen);
  } else {
    const found = ofHub(environment, url, profile);
    if (found) return found;
  }
  throw new ConfigurationError([
    'SPOKECAST_APPLICATION_KEY is required, or SPOKECAST_APPLICATION_KEY_FILE (or --key-file) with the path of a file that holds it; `spokecast login` keeps one for good',
  ]);
}

function named(environment: Environment, name: string): HubAddress {
  const { profiles } = readProfiles(environment);
  const found: Profile | undefined = profiles[name];
  if (found) return { ...found, url: withoutSlash(found.url), profile: name };
  const known = Object.keys(profiles);
  throw new ConfigurationError([
    `there is no profile ${name}${known.length > 0 ? `, only ${known.join(', ')}` : ''}: \`spokecast login --profile ${name}\` makes it`,
  ]);
}

/** The profile of that hub; where there are several, the wanted or the current one goes first. */
function ofHub(environment: Environment, url: string, wanted: string | undefined): HubAddress | undefined {
  const { current, profiles } = readProfiles(environment);
  const names = Object.keys(profiles).filter((name) => withoutSlash(profiles[name]!.url) === url);
  const name = names.find((one) => one === (wanted ?? current)) ?? names[0];
  return name === undefined
    ? undefined
    : { url, applicationKey: profiles[name]!.applicationKey, profile: name };
}

export function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}

/** @throws ConfigurationError where the file cannot be read or does not hold one key. */
export function readKey(path: string): string {
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
