import type { Command } from 'commander';
import type { FollowedEvent } from '../../client/hub-api.ts';
import { asksHub, type Cli, type HubCommandFlags, readCount } from '../cli.ts';
import { HubClient } from '../hub-client.ts';
import { onInterrupt } from '../progress-line.ts';

type Flags = HubCommandFlags & { since?: string; count?: number };

export function addEvents(command: Command, { environment, terminal }: Cli): void {
  asksHub(command)
    .option(
      '--since <id>',
      'begin after this event, or with `oldest` at the oldest that is kept; default: now',
    )
    .option('--count <count>', 'end after so many events', readCount)
    .addHelpText(
      'after',
      '\nOne line an event, with --json the event itself, until Ctrl-C, which says how to go on. A connection that breaks is\nopened again where it broke off.',
    )
    .action(async ({ since, count = Number.POSITIVE_INFINITY, json, ...flags }: Flags) => {
      const hub = HubClient.from(environment, flags);
      let last = since;
      using _ = onInterrupt(() =>
        last === undefined ? 'Nothing was told yet.' : `To go on: spokecast events --since ${last}`,
      );
      const onPosition = (id: string) => {
        last = id;
      };
      let told = 0;
      for await (const event of hub.events({ since, onPosition })) {
        terminal.print(json ? JSON.stringify(event) : lineOf(event));
        told += 1;
        if (told >= count) return;
      }
    });
}

function lineOf(event: FollowedEvent): string {
  if (event.event === 'audit') {
    const { entry, fence } = event.data;
    const { at, action, resourceId, actor } = entry;
    return `${at}  ${action} ${resourceId} by ${actor.name}${fence === null ? '' : ` (${fence})`}`;
  }
  const { at, fence, step, region } = event.data;
  return `${at}  ${step} ${region === null ? 'to every region' : `${step === 'seen' ? 'in' : 'by'} ${region}`}: ${fence}`;
}
