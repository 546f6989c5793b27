import type { Command } from 'commander';
import { ConfigurationError } from '../../../contexts/base/options.ts';
import type { DatabaseAddress } from '../../../hub/config.ts';
import { asksHub, type Cli, type HubCommandFlags } from '../cli.ts';
import { roleAddressOf } from '../database-options.ts';
import { checkConfiguration } from '../doctor/configuration.ts';
import { checkDatabase } from '../doctor/database.ts';
import { type Finding, fault, skipped } from '../doctor/finding.ts';
import { checkGateways, checkHub } from '../doctor/hub.ts';
import { exitCodes } from '../exit-codes.ts';
import { cell } from '../tables.ts';

type Flags = HubCommandFlags & { skipStores?: boolean };

export function addDoctor(command: Command, cli: Cli): void {
  asksHub(command)
    .option('--skip-stores', "leave out the regions' stores, for a machine that may not reach them")
    .addHelpText(
      'after',
      `
Looks at the configuration, the hub, the key, the clocks, the regions' stores (identity and permissions, with the
credentials of this process: run it where the publisher runs) and, with DATABASE_URL, at Postgres: migrations,
capture, permissions, outbox. SPOKECAST_ENV is the environment the stores are to be of (default dev).
It changes nothing. Exit code 1 where something is at fault.`,
    )
    .action(async (flags: Flags) => {
      const findings = await examine(flags, cli);
      if (flags.json) cli.terminal.print(JSON.stringify({ findings }));
      else for (const finding of findings) cli.terminal.print(inWords(finding));
      const faults = findings.filter(({ outcome }) => outcome === 'fault').length;
      if (!flags.json) cli.terminal.print(summary(faults));
      if (faults > 0) cli.exit(exitCodes.failed);
    });
}

async function examine(flags: Flags, { environment, clock }: Cli): Promise<Finding[]> {
  const { findings, address } = checkConfiguration(environment, flags);
  const database = environment.DATABASE_URL ? await examineDatabase(environment, clock) : undefined;
  findings.push(...(database?.findings ?? [skipped('Postgres', 'DATABASE_URL is not given')]));
  if (!address) return findings;
  const asked = await checkHub(address, clock);
  findings.push(...asked.findings);
  const { hub, regions } = asked;
  if (!hub) return findings;
  for (const region of regions) {
    if (region.status !== 'disabled') findings.push(...(await checkGateways(hub, region, clock)));
  }
  if (flags.skipStores) return [...findings, skipped("regions' stores", '--skip-stores')];
  const { checkStore } = await import('../doctor/stores.ts');
  const owner = { environment: environment.SPOKECAST_ENV || 'dev', hubId: database?.hubId };
  const stores = await Promise.all(regions.map((region) => checkStore({ region, clock, ...owner })));
  return [...findings, ...stores.flat()];
}

async function examineDatabase(environment: Cli['environment'], clock: Cli['clock']) {
  let address: DatabaseAddress;
  try {
    address = roleAddressOf(environment);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const wrong = fault('Postgres', error.problems.join('; '), 'postgres://user:password@host:port/database');
    return { findings: [wrong], hubId: undefined };
  }
  return await checkDatabase(address, clock);
}

const marks = { fine: 'ok     ', doubt: 'doubt  ', fault: 'FAULT  ', skipped: 'skipped' } as const;

function inWords({ what, outcome, detail, fix }: Finding): string {
  const line = `${marks[outcome]}  ${cell(what)}: ${cell(detail)}`;
  return fix === undefined ? line : `${line}\n         -> ${cell(fix)}`;
}

function summary(faults: number): string {
  if (faults === 0) return '\nnothing is at fault';
  return `\n${faults === 1 ? '1 thing is' : `${faults} things are`} at fault`;
}
