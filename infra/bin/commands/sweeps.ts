import type { Command } from 'commander';
import { filled, operations } from '../../client/hub-api.ts';
import { addApiCommands, addChangeFlags, change, settle } from '../api/build.ts';
import { showItems, showThing } from '../api/show.ts';
import { asksHub, type Cli, confirm, type HubCommandFlags } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { HubClient } from '../hub-client.ts';
import { followSweeps } from '../sweep-progress.ts';
import { table } from '../tables.ts';

type Flags = HubCommandFlags & { yes?: boolean; wait?: boolean | number; idempotencyKey?: string };

/** How much of a plan is shown to who is to approve it; `spokecast holds list` shows all. */
const shownMax = 20;

export function addSweeps(group: Command, cli: Cli): void {
  const { environment, terminal, exit } = cli;
  addApiCommands(group, cli);

  asksHub(
    group.command('watch').description('follow sweeps until they are over; exit code 1 where one fails'),
  )
    .argument('<id...>')
    .action(async (ids: string[], flags: Flags) => {
      const items = await followSweeps(HubClient.from(environment, flags), ids);
      if (flags.json) terminal.print(JSON.stringify({ items }));
      else showItems(terminal, 'SweepPage', items);
      if (items.some(({ status }) => status === 'failed')) exit(exitCodes.failed);
    });

  const approve = asksHub(
    group.command('approve').description('let through what the budget of losses held when the sweep ended'),
  );
  addChangeFlags(approve, 'POST');
  approve
    .argument('<id>')
    .option('--yes', 'do not ask')
    .action(async (id: string, flags: Flags) => {
      const hub = HubClient.from(environment, flags);
      if (!flags.yes) await confirm(terminal, await planOf(hub, id), flags.yes);
      const path = filled(operations.approveSweep.path, { id });
      const answer = await change(hub, { method: 'POST' }, path, { idempotencyKey: flags.idempotencyKey });
      if (flags.json) terminal.print(JSON.stringify(answer.body));
      else showThing(terminal, answer.body as object);
      await settle(hub, answer, flags, cli);
    });
}

async function planOf(hub: HubClient, id: string): Promise<string> {
  const { region } = await hub.call('getSweep', { path: { id } });
  const { items, more } = await hub.list('listRegionHolds', shownMax, { path: { id: region } });
  const losses = items.filter(({ reason }) => reason !== 'invalid');
  const list = table(
    ['kind', 'key', 'reason', 'since'],
    losses.map((one) => [one.kind, one.key, one.reason, one.since]),
  );
  const rest = more ? `\n... and more: spokecast holds list ${region} --all` : '';
  return `${list}${rest}\nApproving lets gateways of ${region} lose these contexts: what they stand for stops working there.`;
}
