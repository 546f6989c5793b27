import type { Command } from 'commander';
import { asksHub, type Cli, collect, type HubCommandFlags } from '../cli.ts';
import { HubClient } from '../hub-client.ts';
import { exportJson, exportText } from '../platform/export.ts';
import { Patience } from '../platform/patience.ts';
import { readEverything } from '../platform/state.ts';

type Flags = HubCommandFlags & { tenant?: readonly string[]; ids?: boolean; regions: boolean };

export function addExport(command: Command, { environment, terminal, clock }: Cli): void {
  asksHub(command)
    .option('--tenant <name>', 'this tenant only; may be repeated', collect)
    .option('--ids', 'give everything its id, so that names can be changed in the file')
    .option('--no-regions', 'leave the regions out')
    .action(async ({ tenant = [], ids = false, regions, ...flags }: Flags) => {
      const hub = HubClient.from(environment, flags);
      using patience = new Patience(clock);
      const state = await readEverything(hub, tenant, (what, count) =>
        patience.show(`reading ${what}: ${count}`),
      );
      const options = { ids, regions, schemaUrl: `${hub.url}/platform.schema.json` };
      terminal.print(flags.json ? exportJson(state, options) : exportText(state, options).trimEnd());
    });
}
