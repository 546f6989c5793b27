import type { Command } from 'commander';
import { asksHub, type Cli, type HubCommandFlags } from '../cli.ts';
import { HubClient } from '../hub-client.ts';
import { keyInWords } from '../whoami.ts';

export function addWhoAmI(command: Command, { environment, terminal }: Cli): void {
  asksHub(command).action(async ({ json, ...flags }: HubCommandFlags) => {
    const hub = HubClient.from(environment, flags);
    const key = await hub.call('whoAmI');
    terminal.print(json ? JSON.stringify(key) : `${keyInWords(key)}, at ${hub.url}`);
  });
}
