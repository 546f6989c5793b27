import type { Command } from 'commander';
import { asksHub, type Cli, collect, type HubCommandFlags } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { HubClient, HubRequestError } from '../hub-client.ts';
import { readDesired } from '../platform/desired.ts';
import { meaningOf } from '../platform/meaning.ts';
import { Patience } from '../platform/patience.ts';
import { planChanges } from '../platform/plan.ts';
import { planJson, planText } from '../platform/plan-text.ts';
import { readSources } from '../platform/sources.ts';
import { readState } from '../platform/state.ts';

type Flags = HubCommandFlags & { file: readonly string[]; prune?: boolean };

export function addDiff(command: Command, { environment, terminal, clock, exit }: Cli): void {
  asksHub(command)
    .requiredOption(
      '-f, --file <path>',
      'a file, a directory, or - for standard input; may be repeated',
      collect,
    )
    .option('--prune', 'as `apply --prune` would')
    .addHelpText('after', '\nOf this command 0 says: nothing to change, 2: there is, and 1: a refusal.')
    .action(async ({ file, prune = false, ...flags }: Flags) => {
      const desired = readDesired(await readSources(file, terminal));
      const hub = HubClient.from(environment, flags);
      using patience = new Patience(clock);
      const state = await readState(hub, desired, prune, (what, count) =>
        patience.show(`reading ${what}: ${count}`),
      ).catch(notAsChanges);
      const nowMs = clock.now();
      const changes = planChanges(desired, state, { prune, nowMs });
      const meaning = meaningOf(changes, state, nowMs);
      if (flags.json) terminal.print(JSON.stringify(planJson(changes, meaning)));
      else if (changes.length === 0) terminal.print('Nothing to change.');
      else terminal.print(planText(changes, meaning));
      if (changes.length > 0) exit(exitCodes.changes);
    });
}

/** The code of a refusal means something else here. */
function notAsChanges(error: unknown): never {
  if (error instanceof HubRequestError && error.exitCode === exitCodes.changes)
    throw new HubRequestError(error.message, exitCodes.failed);
  throw error;
}
