import { Command, InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../../contexts/base/clock.ts';
import {
  describeOptions,
  type Environment,
  option,
  parseOptions,
  value,
} from '../../contexts/base/options.ts';
import manifest from '../../package.json' with { type: 'json' };
import { addExplain } from './explain.ts';
import { HubClient } from './hub-client.ts';
import { hubClientOptions } from './hub-options.ts';
import { addPromoteEpoch } from './promote-epoch.ts';
import { addRegion } from './region.ts';
import { knownVariables, serviceRoles } from './roles.ts';

/** What the commands that work on the hub's database directly need. */
export const databaseOptions = {
  databaseUrl: option({
    env: 'DATABASE_URL',
    schema: value.url(['postgres', 'postgresql']),
    doc: "The hub's Postgres: postgres://user:password@host:port/database.",
    secret: true,
  }),
};

export function createProgram(environment: Environment, exit: (code: number) => void): Command {
  const program = new Command('spokecast')
    .description(manifest.description)
    .version(manifest.version)
    .showHelpAfterError('(spokecast --help lists the commands)')
    .helpCommand(false);

  for (const role of serviceRoles) {
    const command = program
      .command(role.name)
      .description(role.summary)
      .addHelpText('after', `\nConfigured by environment variables:\n\n${describeOptions(role.options)}`)
      .action(async ({ warm, workers }: { warm?: string; workers?: string }) => {
        const given = { ...environment };
        if (warm !== undefined) given.SPOKECAST_WARM = warm;
        if (workers !== undefined) given.SPOKECAST_WORKERS = workers;
        exit(await role.main(given, knownVariables));
      });
    if (role.name === 'gateway')
      command
        .option('--warm <what>', 'what to read before it is ready: on-demand, or all of the region')
        .option('--workers <count>', 'processes that share the port; as many as it is to have cores');
    if (role.name === 'hub') addPromoteEpoch(command, environment);
  }

  program
    .command('migrate')
    .description(
      "bring the hub's database to this version's schema; safe to run again, and from several machines",
    )
    .addHelpText('after', `\nConfigured by environment variables:\n\n${describeOptions(databaseOptions)}`)
    .action(async () => {
      const { migrate } = await import('../../hub/db/migrate.ts');
      const applied = await migrate(databaseUrlOf(environment));
      for (const name of applied) console.log(`applied ${name}`);
      console.log(applied.length > 0 ? 'the database is up to date' : 'the database was up to date already');
    });

  const applicationKeys = program
    .command('application-keys')
    .description('the credentials of people and programs that use the hub API');
  applicationKeys
    .command('create')
    .description('make an application key, straight in the database: how the first one comes into being')
    .addOption(
      new Option('--role <role>', 'what it may do')
        .choices(['owner', 'admin', 'viewer'])
        .makeOptionMandatory(),
    )
    .option('--tenant <id>', 'confine it to this tenant; without, it is for the whole platform')
    .requiredOption('--name <name>', 'what people recognise it by')
    .option('--json', 'print {"id", "secret"} instead of the secret alone')
    .addHelpText('after', `\nConfigured by environment variables:\n\n${describeOptions(databaseOptions)}`)
    .action(async ({ role, tenant, name, json }: CreateFlags) => {
      const { createApplicationKey } = await import('../../hub/bootstrap.ts');
      const { id, secret } = await createApplicationKey(databaseUrlOf(environment), {
        role,
        tenantId: tenant,
        name,
      });
      if (!json) console.error(`Made ${id} (${role}). This is its secret, shown this once and kept nowhere:`);
      console.log(json ? JSON.stringify({ id, secret }) : secret);
    });

  program
    .command('wait')
    .description('wait until a change is stored in every region it concerns and seen by every gateway there')
    .argument('<fence>', "the id that the change's answer carried as `spokecast-fence`")
    .option('--timeout <seconds>', 'give up after so long, with exit code 75', readSeconds, 60)
    .option('--hub <url>', 'where the hub answers')
    .option('--key-file <path>', 'a file that holds the application key')
    .option('--json', 'print the fence as the hub tells it')
    .addHelpText(
      'after',
      `\nExit codes: 0 seen everywhere, 75 not within the timeout, 66 no such fence, 77 key refused, 69 the hub does not answer.\n\nConfigured by environment variables:\n\n${describeOptions(hubClientOptions)}`,
    )
    .action(async (fence: string, { timeout, hub, keyFile, json = false }: WaitFlags) => {
      const client = HubClient.from(environment, { hub, keyFile });
      const { waitForFence } = await import('./wait.ts');
      const terminal = {
        print: (line: string) => console.log(line),
        say: (line: string) => console.error(line),
      };
      const wanted = { hub: client, fence, timeoutMs: timeout * 1000, json, clock: systemClock };
      exit(await waitForFence({ ...wanted, ...terminal }));
    });

  addRegion(program, environment);
  addExplain(program, environment, exit);
  return program;
}

interface WaitFlags {
  timeout: number;
  hub?: string;
  keyFile?: string;
  json?: boolean;
}

function readSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds >= 0 && seconds <= 86_400))
    throw new InvalidArgumentError('It must be from 0 to 86400 seconds.');
  return seconds;
}

interface CreateFlags {
  role: 'owner' | 'admin' | 'viewer';
  tenant?: string;
  name: string;
  json?: boolean;
}

/** @throws ConfigurationError when it is absent or no such URL. */
function databaseUrlOf(environment: Environment): string {
  return parseOptions(databaseOptions, { DATABASE_URL: environment.DATABASE_URL }).databaseUrl;
}
