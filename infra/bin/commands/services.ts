import type { Command } from 'commander';
import { describeOptions } from '../../../contexts/base/options.ts';
import type { Cli } from '../cli.ts';
import { knownVariables, serviceRoles } from '../roles.ts';
import { addPromoteEpoch } from './promote-epoch.ts';
import { addSetUpLink } from './set-up-link.ts';
import { addSignOut } from './sign-out.ts';

/** One of the long-running roles. */
export function addService(command: Command, cli: Cli): void {
  const { environment, exit } = cli;
  const role = serviceRoles.find(({ name }) => name === command.name())!;
  command
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
  if (role.name === 'hub') {
    addPromoteEpoch(command, environment);
    addSetUpLink(command, environment);
    addSignOut(command, cli);
  }
}
