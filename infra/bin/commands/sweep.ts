import type { Command } from 'commander';
import { showItems } from '../api/show.ts';
import { asksHub, type Cli, type HubCommandFlags } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { HubClient } from '../hub-client.ts';
import { followSweeps } from '../sweep-progress.ts';

type Flags = HubCommandFlags & { watch?: boolean };

export function addSweep(command: Command, { environment, terminal, exit }: Cli): void {
  asksHub(command)
    .argument('[region]', 'default: every region that is not disabled')
    .option('--watch', 'follow it until it is over; exit code 1 where one fails')
    .action(async (region: string | undefined, flags: Flags) => {
      const hub = HubClient.from(environment, flags);
      const asked = await hub.call('createSweep', { body: region === undefined ? {} : { region } });
      if (!flags.watch) {
        if (flags.json) terminal.print(JSON.stringify(asked));
        else showItems(terminal, 'SweepRequested', asked.items);
        return;
      }
      const items = await followSweeps(
        hub,
        asked.items.map(({ id }) => id),
      );
      if (flags.json) terminal.print(JSON.stringify({ items }));
      else showItems(terminal, 'SweepPage', items);
      if (items.some(({ status }) => status === 'failed')) exit(exitCodes.failed);
    });
}
