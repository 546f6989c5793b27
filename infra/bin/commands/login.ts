import type { Command } from 'commander';
import { ConfigurationError } from '../../../contexts/base/options.ts';
import type { WhoAmI } from '../../client/hub-api.ts';
import type { BrowserKey } from '../browser-login.ts';
import type { Cli } from '../cli.ts';
import { HubClient, HubRequestError } from '../hub-client.ts';
import { hubClientOptions, readKey, withoutSlash } from '../hub-options.ts';
import { type Profile, type Profiles, profileName, readProfiles, writeProfiles } from '../profiles.ts';
import { table } from '../tables.ts';
import { askWhoAmI, keyInWords } from '../whoami.ts';

interface LoginFlags {
  hub?: string;
  profile: string;
  keyFile?: string;
  browser?: boolean;
  use: boolean;
}

export function addLogin(command: Command, cli: Cli): void {
  const { environment, terminal } = cli;
  command
    .option(
      '--hub <url>',
      `where the hub answers (default: SPOKECAST_HUB_URL, or ${hubClientOptions.hubUrl.default})`,
    )
    .option('--profile <name>', 'keep it under this name', 'default')
    .option(
      '--key-file <path>',
      'a file that holds the application key; without it, it is asked for, or read from standard input',
    )
    .option(
      '--browser',
      'sign in with a browser on this machine, and be given a key of your own that ends after 30 days',
    )
    .option('--no-use', 'keep it, and leave the current profile as it is')
    .addHelpText(
      'after',
      '\nThe key never stands on the command line, where other users of the machine could read it. It is tried at the hub\nbefore it is kept, in a file of mode 600: $XDG_CONFIG_HOME/spokecast/profiles.json (~/.config/spokecast).',
    )
    .action(async ({ hub, profile, keyFile, browser, use }: LoginFlags) => {
      if (!profileName.test(profile))
        throw new ConfigurationError([
          '--profile: a name has 1 to 64 letters, digits, dots, dashes and underscores',
        ]);
      const url = checkedUrl(hub ?? (environment.SPOKECAST_HUB_URL || hubClientOptions.hubUrl.default!));
      const before = readProfiles(environment);
      if (browser && keyFile !== undefined)
        throw new ConfigurationError(['--browser and --key-file: give one of them']);
      const given = browser ? await browserKey(url, cli) : undefined;
      const applicationKey =
        given?.secret ?? (keyFile === undefined ? await askedKey(url, terminal) : readKey(keyFile));
      const key = await tryKey(new HubClient({ url, applicationKey }));
      const path = writeProfiles(environment, {
        current: use || before.current === null ? profile : before.current,
        profiles: {
          ...before.profiles,
          [profile]: { url, applicationKey, ...(given ? { expiresAt: given.expiresAt } : {}) },
        },
      });
      terminal.say(
        `The key works at ${url}${key ? `: ${keyInWords(key)}` : ''}. Kept as profile ${profile} in ${path}.`,
      );
      for (const name of shadowing(environment))
        terminal.say(`${name} is set and goes before it: unset ${name} to use the profile.`);
    });
}

async function browserKey(url: string, cli: Cli): Promise<BrowserKey> {
  const { loginInBrowser } = await import('../browser-login.ts');
  const given = await loginInBrowser(url, cli);
  const { email, role, tenantId, expiresAt } = given;
  const scope = tenantId ?? 'the platform';
  cli.terminal.say(
    `You are ${email}, ${role} of ${scope}. The key is yours, until ${expiresAt}; ${url}/account revokes it.`,
  );
  return given;
}

/** What of the environment goes before the current profile. */
function shadowing(environment: Cli['environment']): string[] {
  return [
    'SPOKECAST_HUB_URL',
    'SPOKECAST_APPLICATION_KEY',
    'SPOKECAST_APPLICATION_KEY_FILE',
    'SPOKECAST_PROFILE',
  ].filter((name) => environment[name]);
}

function checkedUrl(text: string): string {
  const parsed = hubClientOptions.hubUrl.schema.safeParse(text);
  if (parsed.success) return withoutSlash(text);
  throw new ConfigurationError([`--hub: ${parsed.error.issues[0]!.message}`]);
}

async function askedKey(url: string, terminal: Cli['terminal']): Promise<string> {
  const text = terminal.isPerson
    ? await terminal.askSecret(`Application key for ${url} (not shown): `)
    : await terminal.readInput();
  const key = text.trim();
  if (/^\S+$/.test(key)) return key;
  throw new ConfigurationError([
    'no application key was given: type it, pipe it to standard input, or use --key-file',
  ]);
}

/** What the key is, where the hub tells. Any answer but 401 knows it: it may be one that may not list regions. */
async function tryKey(hub: HubClient): Promise<WhoAmI | undefined> {
  const key = await askWhoAmI(hub);
  if (key) return key;
  try {
    await hub.call('listRegions', { query: { limit: 1 } });
  } catch (error) {
    if (!(error instanceof HubRequestError && error.status === 403)) throw error;
  }
  return undefined;
}

export function addLogout(command: Command, { environment, terminal }: Cli): void {
  command
    .option('--profile <name>', 'the profile to forget; default: the current one')
    .option('--keep', 'leave the key that `login --browser` got as it is, for whoever else uses it')
    .addHelpText(
      'after',
      '\nThe key that `login --browser` got is revoked first; where the hub cannot be asked, nothing is forgotten, and\nit ends with 69. Keys that were given go on working: `spokecast application-keys delete` revokes one.',
    )
    .action(async ({ profile, keep }: { profile?: string; keep?: boolean }) => {
      const before = readProfiles(environment);
      const name = profile ?? before.current;
      if (name === null) return terminal.say('you are not logged in');
      mustExist(before, name);
      const said = await endOf(before.profiles[name]!, keep === true);
      forget(environment, before, name);
      terminal.say(`Forgot profile ${name}. ${said}`);
    });
}

/** What becomes of a profile's key when its person logs out, done and in words. */
async function endOf({ url, applicationKey, expiresAt }: Profile, keep: boolean): Promise<string> {
  if (expiresAt === undefined)
    return 'Its key goes on working: `spokecast application-keys delete` revokes one.';
  const goesOn = `Its key goes on working until ${expiresAt}: ${url}/account revokes it.`;
  if (keep) return goesOn;
  const { LoginFailed, revokeBrowserKey } = await import('../browser-login.ts');
  try {
    const outcome = await revokeBrowserKey(url, applicationKey);
    if (outcome === 'not-offered') return goesOn;
    return outcome === 'revoked' ? 'Its key is revoked.' : 'Its key did not work any more.';
  } catch (error) {
    if (!(error instanceof LoginFailed)) throw error;
    const advice = 'Nothing was forgotten: run it again, or with --keep to leave the key as it is';
    throw new LoginFailed(`the key could not be revoked: ${error.message}. ${advice}`, error.exitCode);
  }
}

export function addProfiles(group: Command, { environment, terminal }: Cli): void {
  group
    .command('list')
    .description('list the profiles, the current one marked; never their keys')
    .option('--json', 'print the result as JSON, for programs')
    .action(({ json }: { json?: boolean }) => {
      const { current, profiles } = readProfiles(environment);
      const items = Object.entries(profiles).map(([name, { url, expiresAt = null }]) => ({
        name,
        url,
        expiresAt,
        current: name === current,
      }));
      if (json) return terminal.print(JSON.stringify({ items }));
      if (items.length === 0) return terminal.say('there are none: spokecast login');
      terminal.print(
        table(
          ['', 'name', 'hub', 'until'],
          items.map((one) => [one.current ? '*' : ' ', one.name, one.url, one.expiresAt ?? '']),
        ),
      );
    });
  group
    .command('use')
    .description('make a profile the current one')
    .argument('<name>')
    .action((name: string) => {
      const before = readProfiles(environment);
      mustExist(before, name);
      writeProfiles(environment, { ...before, current: name });
      terminal.say(`${name} (${before.profiles[name]!.url}) is the current profile.`);
    });
  group
    .command('delete')
    .description('forget a profile and its key')
    .argument('<name>')
    .action((name: string) => {
      const before = readProfiles(environment);
      forget(environment, before, name);
      const { url, expiresAt } = before.profiles[name]!;
      const goesOn =
        expiresAt === undefined
          ? ''
          : ` Its key goes on working until ${expiresAt}: ${url}/account revokes it.`;
      terminal.say(`Forgot profile ${name}.${goesOn}`);
    });
}

function forget(environment: Cli['environment'], before: Profiles, name: string): void {
  mustExist(before, name);
  const { [name]: _, ...profiles } = before.profiles;
  writeProfiles(environment, { current: before.current === name ? null : before.current, profiles });
}

function mustExist({ profiles }: Profiles, name: string): void {
  if (Object.hasOwn(profiles, name)) return;
  const known = Object.keys(profiles).join(', ') || 'none';
  throw new ConfigurationError([`there is no profile ${name}; there is: ${known}`]);
}
