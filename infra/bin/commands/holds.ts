import type { Command } from 'commander';
import type { Hold } from '../../client/hub-api.ts';
import { operation } from '../api/catalogue.ts';
import { addFlags } from '../api/fields.ts';
import { showItems } from '../api/show.ts';
import { asksHub, type Cli, type HubCommandFlags, readCount } from '../cli.ts';
import { HubClient } from '../hub-client.ts';

type Flags = HubCommandFlags & Pick<Hold, 'kind' | 'reason'> & { limit: number; all?: boolean };

export function addHolds(group: Command, cli: Cli): void {
  const own = operation('listRegionHolds').queryFields.filter(({ name }) =>
    ['kind', 'reason'].includes(name),
  );
  const list = define(group, 'list what is held or quarantined, and why', cli, undefined);
  addFlags(list, own);
}

export function addQuarantine(group: Command, cli: Cli): void {
  define(
    group,
    'list what must not be published, and why: mend its row, and it is published',
    cli,
    'invalid',
  );
}

function define(
  group: Command,
  description: string,
  { environment, terminal }: Cli,
  only: Hold['reason'] | undefined,
): Command {
  return asksHub(group.command('list').description(description))
    .argument('[region]', 'default: all regions')
    .option('--limit <count>', 'show so many at the most', readCount, 50)
    .option('--all', 'show all')
    .action(async (region: string | undefined, flags: Flags) => {
      const hub = HubClient.from(environment, flags);
      const count = flags.all ? Number.POSITIVE_INFINITY : flags.limit;
      const query = { kind: flags.kind, reason: only ?? flags.reason };
      const items: (Hold & { region: string })[] = [];
      let more = false;
      for (const id of region === undefined ? await regionsOf(hub) : [region]) {
        if (items.length >= count) {
          more = true;
          break;
        }
        const found = await hub.list('listRegionHolds', count - items.length, { path: { id }, query });
        items.push(...found.items.map((hold) => ({ region: id, ...hold })));
        more ||= found.more;
      }
      if (flags.json) terminal.print(JSON.stringify({ items, more }));
      else showItems(terminal, 'HoldPage', items);
      if (more) terminal.say('there are more: --all shows all, --limit <count> more');
    });
}

async function regionsOf(hub: HubClient): Promise<string[]> {
  const { items } = await hub.list('listRegions', Number.POSITIVE_INFINITY, { query: { limit: 200 } });
  return items.map(({ id }) => id);
}
