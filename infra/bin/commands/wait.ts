import type { Command } from 'commander';
import { describeOptions } from '../../../contexts/base/options.ts';
import { type Cli, readSeconds } from '../cli.ts';
import { HubClient } from '../hub-client.ts';
import { type HubFlags, hubClientOptions } from '../hub-options.ts';

type Flags = HubFlags & { timeout: number; json?: boolean };

export function addWait(command: Command, { environment, terminal, clock, exit }: Cli): void {
  command
    .argument('<fence>', "the id that the change's answer carried as `spokecast-fence`")
    .option('--timeout <seconds>', 'give up after so long, with exit code 75', readSeconds, 60)
    .option('--hub <url>', 'where the hub answers')
    .option('--profile <name>', 'the hub and key that `spokecast login` kept under this name')
    .option('--key-file <path>', 'a file that holds the application key')
    .option('--json', 'print the fence as the hub tells it')
    .addHelpText(
      'after',
      () =>
        `\nExit codes: 0 seen everywhere, 75 not within the timeout, 66 no such fence, 77 key refused, 69 the hub does not answer.\n\nConfigured by environment variables, or a profile (\`spokecast login\`):\n\n${describeOptions(hubClientOptions)}`,
    )
    .action(async (fence: string, { timeout, json = false, ...flags }: Flags) => {
      const { waitForFence } = await import('../wait.ts');
      const { print, say } = terminal;
      const hub = HubClient.from(environment, flags);
      exit(await waitForFence({ ...{ hub, fence, timeoutMs: timeout * 1000, json, clock }, print, say }));
    });
}
