import type { Command } from 'commander';
import {
  describeOptions,
  type Environment,
  option,
  parseOptions,
  value,
} from '../../../contexts/base/options.ts';
import { commandAddressOf } from '../../../hub/config.ts';
import type { Import, PromotionReport } from '../../../hub/promotion/promote.ts';
import { databaseOptions } from '../database-options.ts';

const promotionOptions = {
  ...databaseOptions,
  environment: option({
    env: 'SPOKECAST_ENV',
    schema: value.matching(/^[a-z0-9-]{1,32}$/, 'made of 1 to 32 characters a-z, 0-9 and -'),
    default: 'dev',
    doc: 'The environment. A table of another one is refused.',
  }),
  storeTimeoutMs: option({
    env: 'SPOKECAST_STORE_TIMEOUT_MS',
    schema: value.integer(50, 60_000),
    default: '5000',
    doc: "Milliseconds within which a region's store must answer a request.",
  }),
};

interface Flags {
  dryRun?: boolean;
  force?: boolean;
  without: readonly string[];
  json?: boolean;
}

export function addPromoteEpoch(hub: Command, environment: Environment): void {
  hub
    .command('promote-epoch')
    .description(
      'after the database was restored from a backup, or failed over with a loss: take over what was revoked since, and publish again',
    )
    .option('--dry-run', 'print what would be done, and change nothing')
    .option(
      '--without <region>',
      'go on without a region that does not answer; what was revoked since and is known there alone comes back to life (may be repeated)',
      (id: string, before: readonly string[]) => [...before, id],
      [] as readonly string[],
    )
    .option('--force', 'promote although no region is ahead')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `\nSafe to repeat and to interrupt, and to run while hubs, publishers and gateways run.\nEnds with 0, or 69 where a region does not answer, or 75 where another promotion is at work.\n\nConfigured by environment variables:\n\n${describeOptions(promotionOptions)}`,
    )
    .action(async ({ dryRun = false, force = false, without, json }: Flags) => {
      const { promoteEpoch } = await import('../../../hub/promotion/promote.ts');
      const given = Object.values(promotionOptions).map(({ env }) => [env, environment[env]]);
      const options = parseOptions(promotionOptions, Object.fromEntries(given));
      const report = await promoteEpoch({
        database: commandAddressOf(options),
        environment: options.environment,
        storeTimeoutMs: options.storeTimeoutMs,
        ...{ dryRun, force, without },
        onProgress: (contextsRead) => {
          if (contextsRead % 50_000 === 0) console.error(`${contextsRead} contexts read ...`);
        },
      });
      console.log(json ? JSON.stringify(report, null, 2) : describeReport(report));
    });
}

/** How many of a kind of finding are listed by name; `--json` and the audit log have all. */
const listedMax = 50;

export function describeReport(report: PromotionReport): string {
  const { outcome, epoch, findings } = report;
  const lines = report.regions.map((region) => `region ${region.id}: ${describeRegion(region)}`);
  if (outcome === 'nothing-to-do') {
    lines.push(`No region is ahead of this hub: nothing to do, and the epoch stays ${epoch.from}.`);
    return lines.join('\n');
  }
  const { imports, made, left, unexplained } = findings!;
  const would = outcome === 'planned' ? 'would be ' : '';
  lines.push(`${imports.length} revocations and denials newer than the backup ${would}imported:`);
  lines.push(...listed(imports.map(describeImport)));
  const more = (title: string, items: readonly string[]) => {
    if (items.length > 0) lines.push(`${items.length} ${title}:`, ...listed(items));
  };
  more('contexts made after the backup, which the hub does not know and the next sweeps bury', made);
  more(
    'tenants that left every region since (deleted, or without placed clusters), kept as in the backup: look at them',
    left.map(({ id, name }) => `${id} ${JSON.stringify(name)}`),
  );
  more('items that prove nothing, left out', unexplained);
  lines.push(
    `${report.applicationKeysActive} application keys work as in the backup. They are in no region, nor are people: revoke again what you revoked since, and whom you disabled. Everybody is signed out.`,
  );
  lines.push(
    outcome === 'planned'
      ? `The epoch would go from ${epoch.from} to ${epoch.to}. Nothing was changed.`
      : `The epoch went from ${epoch.from} to ${epoch.to}. Publishers open the regions again within seconds; every context is written once more.`,
  );
  return lines.join('\n');
}

function listed(items: readonly string[]): string[] {
  const shown = items.slice(0, listedMax).map((item) => `  ${item}`);
  return items.length > listedMax ? [...shown, `  ... and ${items.length - listedMax} more (--json)`] : shown;
}

function describeRegion(region: PromotionReport['regions'][number]): string {
  switch (region.state) {
    case 'ahead':
      return `ahead, it has seen ${region.highWater}`;
    case 'not-ahead':
      return `not ahead, it has seen ${region.highWater ?? 'nothing'}`;
    case 'empty':
      return 'has no table; it will be seeded';
    case 'left-out':
      return `left out (${region.why})`;
  }
}

function describeImport(one: Import): string {
  const what = `${one.id} ${JSON.stringify(one.name)}`;
  switch (one.action) {
    case 'delete-key':
      return `agent key ${what}: revoked since, deleted`;
    case 'disable-key':
      return one.why === 'doubtful'
        ? `agent key ${what}: revoked since or moved to a region that has not got it, disabled; activate it if it was moved`
        : `agent key ${what}: gone with its cluster, disabled`;
    case 'tighten-key':
      return `agent key ${what}: ${Object.keys(one.changes).join(', ')} tightened`;
    case 'disable-cluster':
      return one.why === 'denied'
        ? `cluster ${what}: disabled since`
        : `cluster ${what}: gone from every region that was asked, disabled; activate it if it was moved`;
    case 'withdraw-cluster':
      return `cluster ${what}: gone from every region, disabled and its placements removed; delete it, or place and activate it again`;
    case 'suspend-tenant':
      return `tenant ${what}: suspended since`;
  }
}
