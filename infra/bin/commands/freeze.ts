import type { Command } from 'commander';
import type { Freeze, FreezeSet } from '../../client/hub-api.ts';
import { operation } from '../api/catalogue.ts';
import { addFlags } from '../api/fields.ts';
import { asksHub, type Cli, confirm, type HubCommandFlags } from '../cli.ts';
import { HubClient } from '../hub-client.ts';
import { table } from '../tables.ts';

type Flags = HubCommandFlags & FreezeSet & { allRegions?: boolean; yes?: boolean };

export function addFreeze(command: Command, { environment, terminal }: Cli): void {
  asksHub(command)
    .argument('[region]')
    .option('--all-regions', 'all of them, those to come included')
    .option('--yes', 'do not ask before revocations are stopped too');
  addFlags(command, operation('setFreeze').bodyFields!);
  command.action(async (region: string | undefined, flags: Flags) => {
    mustNameOne(region, flags);
    const { mode, reason } = flags;
    const where = region ?? 'every region';
    if (mode === 'all')
      await confirm(terminal, `Not even revocations reach ${where} until it is unfrozen.`, flags.yes);
    const hub = HubClient.from(environment, flags);
    const frozen =
      region === undefined
        ? await hub.call('setFreeze', { body: { mode, reason } })
        : await hub.call('freezeRegion', { path: { id: region }, body: { mode, reason } });
    const again = `spokecast unfreeze ${region ?? '--all-regions'}`;
    terminal.print(flags.json ? JSON.stringify(frozen) : `${where} is frozen (${frozen.mode}): ${again}`);
  });
}

export function addUnfreeze(command: Command, { environment, terminal }: Cli): void {
  asksHub(command)
    .argument('[region]')
    .option('--all-regions', 'lift the freeze of all; a region that is frozen by itself stays so')
    .action(async (region: string | undefined, flags: Flags) => {
      mustNameOne(region, flags);
      const hub = HubClient.from(environment, flags);
      if (region === undefined) await hub.call('liftFreeze');
      else await hub.call('unfreezeRegion', { path: { id: region } });
      const items = await everyFreeze(hub);
      const still = items.filter(
        (one) => one.region === null || region === undefined || one.region === region,
      );
      if (flags.json) return terminal.print(JSON.stringify({ region: region ?? null, frozen: still }));
      const rest = still.map(describeFreeze).join('; ');
      terminal.print(`${region ?? 'all regions'}: unfrozen${rest === '' ? '' : `, but ${rest}`}`);
    });
}

export function addFreezes(group: Command, { environment, terminal }: Cli): void {
  asksHub(group.command('list').description('list what is frozen, and by whom')).action(
    async (flags: Flags) => {
      const items = await everyFreeze(HubClient.from(environment, flags));
      if (flags.json) return terminal.print(JSON.stringify({ items }));
      if (items.length === 0) return terminal.say('nothing is frozen');
      const rows = items.map((one) => [
        one.region ?? '(all)',
        one.mode,
        one.reason,
        one.since,
        one.actor.name,
      ]);
      terminal.print(table(['region', 'mode', 'reason', 'since', 'by'], rows));
    },
  );
}

async function everyFreeze(hub: HubClient): Promise<Freeze[]> {
  const { everywhere, regions } = await hub.call('getFreeze');
  return everywhere ? [everywhere, ...regions] : regions;
}

function describeFreeze({ region, mode }: Freeze): string {
  return `${region ?? 'every region'} is still frozen (${mode})`;
}

/** Whoever leaves a word out does not mean everything. */
function mustNameOne(region: string | undefined, { allRegions }: Flags): void {
  if (region === undefined && !allRegions) throw new Error('name a region, or --all-regions');
  if (region !== undefined && allRegions) throw new Error('name a region or --all-regions, not both');
}
