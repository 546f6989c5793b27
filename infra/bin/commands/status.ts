import { type Command, InvalidArgumentError } from 'commander';
import { asksHub, type Cli, type HubCommandFlags } from '../cli.ts';
import { HubClient, HubRequestError, hubExitCodes } from '../hub-client.ts';
import { collectFacts } from '../status/collect.ts';
import { type Judgement, judge } from '../status/judge.ts';
import { statusScreen } from '../status/screen.ts';
import { askWhoAmI, keyInWords } from '../whoami.ts';

type Flags = HubCommandFlags & { watch?: boolean; every: number };

/** From the top left, over what stands there. */
const overwrite = '\u001b[H\u001b[J';

export function addStatus(command: Command, { environment, terminal, clock }: Cli): void {
  asksHub(command)
    .option('--watch', 'go on showing it, until Ctrl-C')
    .option('--every <seconds>', 'how often, with --watch', readEvery, 2)
    .addHelpText(
      'after',
      `
health     ok; look: somebody should, and below it stands why; down: changes do not arrive; off: disabled
heartbeat  how old the newest heartbeat is in the region's store: 0 to 10 s where changes arrive at once
contexts   what the last complete sweep went over, and drift what it found different and repaired
held       contexts over the budget of losses, + those quarantined
watermark  the feed number up to which the gateways go, from the last one to the first

The exit code says whether the hub could be asked, not how the regions are: for that, --json has "health".`,
    )
    .action(async (flags: Flags) => {
      const hub = HubClient.from(environment, flags);
      const key = await askWhoAmI(hub);
      const asked = key ? `\n\nasked as ${keyInWords(key)}` : '';
      const show = (judgement: Judgement, clear = '', trouble = '') => {
        if (flags.json) return terminal.print(JSON.stringify(judgement));
        const width = terminal.isScreen ? terminal.columns : undefined;
        terminal.print(
          `${clear}${statusScreen(judgement, hub.url, width)}${asked}${trouble && `\n\n${trouble}`}`,
        );
      };
      let last = judge(await collectFacts(hub));
      show(last, flags.watch && terminal.isScreen ? overwrite : '');
      while (flags.watch) {
        await clock.sleep(flags.every * 1000);
        let trouble = '';
        try {
          last = judge(await collectFacts(hub));
        } catch (error) {
          if (!(error instanceof HubRequestError && error.exitCode === hubExitCodes.unreachable)) throw error;
          trouble = `! ${error.message.split('\n')[0]} This is what was known at ${last.at}`;
        }
        if (trouble !== '' && flags.json) terminal.say(trouble);
        else show(last, terminal.isScreen ? overwrite : '', trouble);
      }
    });
}

function readEvery(text: string): number {
  const seconds = Number(text);
  if (!(seconds >= 0.5 && seconds <= 3_600))
    throw new InvalidArgumentError('It must be from 0.5 to 3600 seconds.');
  return seconds;
}
