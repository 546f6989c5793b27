import { cell, table } from '../tables.ts';
import type { Judgement, RegionStatus } from './judge.ts';

/** All regions as a table, and below it what somebody should look at. */
export function statusScreen({ at, health, regions }: Judgement, hubUrl: string, columns?: number): string {
  const counts = (['ok', 'look', 'down', 'off'] as const)
    .map((each) => [each, regions.filter((one) => one.health === each).length] as const)
    .filter(([, count]) => count > 0)
    .map(([each, count]) => `${count} ${each}`);
  const head = `${hubUrl}  ${at}  ${health.toUpperCase()}${counts.length > 0 ? `: ${counts.join(', ')}` : ''}`;
  if (regions.length === 0) return `${head}\n\nthere are no regions: spokecast regions add`;
  const rows = table(
    [
      ...['region', 'health', 'status', 'heartbeat', 'contexts', 'drift', 'held', 'frozen'],
      'gateways',
      'builds',
      'watermark',
      'swept',
    ],
    regions.map(row),
    columns,
  );
  const reasons = regions
    .filter((one) => one.health !== 'ok' && one.health !== 'off')
    .flatMap((one) => one.reasons.map((reason) => `${one.region}: ${cell(reason)}`));
  return [head, '', rows, ...(reasons.length > 0 ? ['', ...reasons] : [])].join('\n');
}

function row(one: RegionStatus): unknown[] {
  const live = one.gateways.filter(({ state }) => state === 'live');
  const drift = Object.entries(one.drift).map(([kind, count]) => `${count} ${kind}`);
  const waiting = one.held + one.quarantined;
  return [
    ...[one.region, one.health, one.status, age(one.heartbeatAgeMs), one.contexts],
    one.contexts === null ? null : drift.join(' ') || 'none',
    waiting === 0 ? 0 : `${one.held}${one.quarantined > 0 ? `+${one.quarantined}` : ''}`,
    one.frozen,
    live.length === one.gateways.length ? live.length : `${live.length}/${one.gateways.length}`,
    [...new Set(live.map(({ build }) => build))].sort().join(' '),
    // One that reads again what it holds has no place yet.
    range(live.map(({ watermark }) => watermark).filter((watermark) => watermark > 0)),
    one.sweptAgoMs === null ? null : `${age(one.sweptAgoMs)} ago`,
  ];
}

/** Where gateways of a region are far apart, one of them does not keep up. */
function range(numbers: readonly number[]): string | null {
  if (numbers.length === 0) return null;
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  return least === most ? String(least) : `${least}..${most}`;
}

/** `3 s`, `12 min`, `5 h`, `2 d`. */
export function age(ms: number | null): string | null {
  if (ms === null) return null;
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} d`;
}
