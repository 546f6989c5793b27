import type { FenceProgress, Laggard, RegionProgress } from '../../db/fences.ts';
import { disabledReason, silenceOf } from '../regions/look.ts';

/** Why a fence is not seen in a region, and what will change that. The first cause is told: the others follow from it. */
export function reasonOf(region: RegionProgress, fence: FenceProgress, gatewayForgetMs: number): string {
  const stored = region.storedAtMs !== null;
  return (
    reasonOfRegion(region, stored) ??
    (stored ? reasonOfGateways(region, gatewayForgetMs) : reasonOfPublishing(region, fence))
  );
}

function reasonOfRegion({ regionStatus, report }: RegionProgress, stored: boolean): string | undefined {
  if (regionStatus === 'disabled') return disabledReason;
  const silence = silenceOf(report);
  if (silence !== undefined || report === null || report.state === 'open') return silence;
  const why = report.reason === null ? '' : `: ${report.reason}`;
  if (stored) return `the region is ${report.state}, so its gateways cannot be looked at${why}`;
  return `the region is ${report.state}, so nothing is published to it${why}`;
}

function reasonOfPublishing({ jobsOpen, heldBack }: RegionProgress, fence: FenceProgress): string {
  if (heldBack !== null) {
    const what = heldBack === '' ? '' : `: ${heldBack}`;
    return `held back${what}; the last good state stays in place`;
  }
  const left = fence.rowsWritten - fence.rowsRelayed;
  if (left > 0)
    return `${left} of ${fence.rowsWritten} changes are not relayed yet; if they were lost, the next sweep makes up for it`;
  return `${jobsOpen} of its refresh jobs are not done yet; if they were lost, the next sweep makes up for it`;
}

function reasonOfGateways({ laggards, listed }: RegionProgress, gatewayForgetMs: number): string {
  const unknown = laggards.filter((one) => one.state === 'unknown');
  const behind = laggards.filter((one) => one.state === 'behind');
  const verifying = laggards.filter((one) => one.state === 'verifying');
  const parts = [
    ...unknown.map(
      (one) =>
        `${one.id} has not reported for ${seconds(one.reportAgeMs)}: it may still answer from an older state, and is waited for until it reports, or is forgotten in ${seconds(forgottenInMs(one, gatewayForgetMs))} (SPOKECAST_GATEWAY_FORGET_MS)`,
    ),
    ...verifying.map(
      (one) => `${one.id} reads again what it holds, and tells how far it is when that is done`,
    ),
    ...behind.map((one) => `${one.id} has not reported this yet`),
  ];
  if (parts.length > 0) return parts.join('; ');
  return listed ? 'it is being noted' : 'the gateways have not been looked at since it was announced';
}

/** For how long one that stopped reporting is still waited for. */
export function forgottenInMs({ lifetimeMs, reportAgeMs }: Laggard, gatewayForgetMs: number): number {
  return Math.max(0, Math.round(lifetimeMs + gatewayForgetMs - reportAgeMs));
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
