import type { Command } from 'commander';
import type { Cluster, Placement } from '../../client/hub-api.ts';
import { addChangeFlags, settle } from '../api/build.ts';
import { operation } from '../api/catalogue.ts';
import { addFlags, valuesOf } from '../api/fields.ts';
import { asksHub, type Cli, confirm, type HubCommandFlags } from '../cli.ts';
import { exitCodes } from '../exit-codes.ts';
import { HubClient, HubRequestError } from '../hub-client.ts';
import { table } from '../tables.ts';

type Flags = HubCommandFlags & { wait?: boolean | number; yes?: boolean; ifMatch?: string };

/** Read again and tried again, where somebody else changes the cluster at the same moment. */
const attemptsMax = 5;

/**
 * A cluster's placements one at a time. The API takes them as a whole; the ETag of what was read makes sure that
 * nobody else's change is lost.
 */
export function addPlacements(group: Command, cli: Cli): void {
  const { environment, terminal } = cli;
  const define = (name: string, description: string) => {
    const command = asksHub(group.command(name).description(description));
    return command.argument('<cluster>', 'the id of the cluster');
  };
  const show = (flags: Flags, { placements }: Cluster) => {
    if (flags.json) terminal.print(JSON.stringify({ items: placements }));
    else
      terminal.print(
        table(
          ['region', 'overrides'],
          placements.map((one) => [one.region, one.overrides]),
        ),
      );
  };
  const alter = async (id: string, flags: Flags, next: (before: readonly Placement[]) => Placement[]) => {
    const hub = HubClient.from(environment, flags);
    const answer = await altered(hub, id, flags.ifMatch, next);
    show(flags, answer.body);
    await settle(hub, answer, flags, cli);
  };
  const overrides = operation('createCluster').bodyFields!.filter(({ name }) =>
    ['upstreamUrl', 'upstreams', 'settings'].includes(name),
  );

  define('list', 'list the regions that serve a cluster').action(async (id: string, flags: Flags) => {
    show(flags, await HubClient.from(environment, flags).call('getCluster', { path: { id } }));
  });

  const add = define('add', 'serve a cluster in one more region, or change what it is given there');
  add.argument('<region>');
  addFlags(add, overrides);
  addChangeFlags(add, 'PATCH');
  add.action(async (id: string, region: string, flags: Flags) => {
    const given = valuesOf(overrides, add.opts());
    const placed = { region, ...(Object.keys(given).length > 0 ? { overrides: given } : {}) } as Placement;
    await alter(id, flags, (before) => [...before.filter((one) => one.region !== region), placed]);
  });

  const move = define(
    'move',
    'serve a cluster in another region instead: made there before it is broken here',
  );
  move.argument('<from>', 'the region that serves it now').argument('<to>', 'the region that is to');
  addChangeFlags(move, 'PATCH');
  move.action(async (id: string, from: string, to: string, flags: Flags) => {
    await alter(id, flags, (before) => {
      const moved = before.find((one) => one.region === from) ?? notPlaced(id, from);
      return [...before.filter((one) => one.region !== from && one.region !== to), { ...moved, region: to }];
    });
  });

  const remove = define('remove', 'serve a cluster in a region no more: its agent keys stop working there');
  remove.argument('<region>').option('--yes', 'do not ask');
  addChangeFlags(remove, 'PATCH');
  remove.action(async (id: string, region: string, flags: Flags) => {
    const what = `The agent keys of ${id} stop working in ${region}.`;
    await confirm(terminal, what, flags.yes);
    await alter(id, flags, (before) => {
      if (!before.some((one) => one.region === region)) notPlaced(id, region);
      return before.filter((one) => one.region !== region);
    });
  });
}

async function altered(
  hub: HubClient,
  id: string,
  ifMatch: string | undefined,
  next: (before: readonly Placement[]) => Placement[],
) {
  for (let attempt = 1; ; attempt++) {
    const { body, etag } = await hub.send('getCluster', { path: { id } });
    try {
      return await hub.send('updateCluster', {
        path: { id },
        body: { placements: next(body.placements) },
        headers: { 'if-match': ifMatch ?? etag ?? undefined },
      });
    } catch (error) {
      const isRace = error instanceof HubRequestError && error.code === 'PRECONDITION_FAILED';
      if (!isRace || ifMatch !== undefined || attempt === attemptsMax) throw error;
    }
  }
}

function notPlaced(cluster: string, region: string): never {
  throw new HubRequestError(`${cluster} is not placed in ${region}. Nothing was changed`, exitCodes.absent);
}
