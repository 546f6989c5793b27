import type { Clock } from '../../contexts/base/clock.ts';
import { type HubClient, HubRequestError, hubExitCodes } from './hub-client.ts';

/** What `GET /v1/fences/{id}` answers, as far as it is told here. */
interface Fence {
  id: string;
  complete: boolean;
  committedAt: string;
  regions: {
    region: string;
    state: 'pending' | 'stored' | 'seen' | 'disabled';
    seenAt: string | null;
    storedAt: string | null;
    seenBy: number;
    gateways: number;
    reason: string | null;
  }[];
}

export interface WaitOptions {
  hub: HubClient;
  fence: string;
  timeoutMs: number;
  json: boolean;
  clock: Clock;
  /** To standard output: the result. */
  print(line: string): void;
  /** To standard error: progress, and what went wrong. */
  say(line: string): void;
}

/** Exit codes, beside 78 for a configuration that is wrong: as in sysexits(3), so that scripts can tell them apart. */
export const waitExit = {
  seen: 0,
  /** There is no such fence, or it is another tenant's, or older than a day. */
  unknown: hubExitCodes.absent,
  /** The hub did not answer, all the time. */
  unreachable: hubExitCodes.unreachable,
  /** Not everywhere yet. Waiting again may help. */
  timeout: 75,
  /** The application key is refused. */
  refused: hubExitCodes.forbidden,
} as const;

/** Beyond what the hub was asked to wait, for its answer. */
const graceMs = 10_000;
/** One question waits no longer than this at the hub, so that progress can be told. */
const patienceMs = 2_000;
/** Between two lines of progress. */
const remindEveryMs = 4_000;
/** Before a hub that did not answer is asked again: it may be restarting. */
const retryMs = 500;

/**
 * Waits until a change is everywhere. A hub that restarts meanwhile costs nothing but a question: what it is asked for
 * stands in its database.
 */
export async function waitForFence(options: WaitOptions): Promise<number> {
  const { clock, timeoutMs, say } = options;
  const startedAt = clock.monotonic();
  let saidAt = startedAt - remindEveryMs + patienceMs;
  let last: Fence | undefined;
  let trouble = '';
  for (;;) {
    const leftMs = Math.max(0, timeoutMs - (clock.monotonic() - startedAt));
    const answer = await ask(options, Math.ceil(Math.min(patienceMs, leftMs)));
    if (answer.outcome === 'unknown' || answer.outcome === 'refused') {
      say(answer.detail);
      return waitExit[answer.outcome];
    }
    if (answer.outcome === 'fence') last = answer.fence;
    else trouble = answer.detail;
    const isOver =
      answer.outcome === 'fence' &&
      answer.fence.regions.every((one) => one.state === 'seen' || one.state === 'disabled');
    const now = clock.monotonic();
    if (isOver || now - startedAt >= timeoutMs) return conclude(options, last, trouble);
    if (now - saidAt >= remindEveryMs) {
      say(
        `  ${answer.outcome === 'fence' ? describe(answer.fence) : trouble} (${seconds(now - startedAt)} so far)`,
      );
      saidAt = now;
    }
    if (answer.outcome === 'no-answer') await clock.sleep(Math.min(retryMs, leftMs));
  }
}

function conclude(
  { json, print, say, timeoutMs }: WaitOptions,
  fence: Fence | undefined,
  trouble: string,
): number {
  if (fence === undefined) {
    say(`the hub did not answer within ${seconds(timeoutMs)}: ${trouble}`);
    return waitExit.unreachable;
  }
  if (json) print(JSON.stringify(fence));
  else for (const region of fence.regions) print(describeRegion(region, fence));
  if (fence.complete) {
    if (!json && fence.regions.length === 0) print('this change concerns no region');
    return waitExit.seen;
  }
  for (const { region, reason } of fence.regions) if (reason !== null) say(`${region}: ${reason}`);
  return waitExit.timeout;
}

function describe(fence: Fence): string {
  const open = fence.regions.filter((one) => one.state !== 'seen');
  return `waiting for ${open.map((one) => `${one.region} (${one.state}, seen by ${one.seenBy} of ${one.gateways})`).join(', ')}`;
}

function describeRegion(
  { region, state, seenAt, seenBy, gateways }: Fence['regions'][number],
  fence: Fence,
): string {
  if (state === 'disabled') return `${region}: disabled`;
  const tookMs = seenAt === null ? undefined : Date.parse(seenAt) - Date.parse(fence.committedAt);
  const after = tookMs === undefined ? '' : ` after ${seconds(tookMs)}`;
  return `${region}: ${state}${state === 'seen' ? after : ''}, by ${seenBy} of ${gateways} gateways`;
}

type Answer =
  | { outcome: 'fence'; fence: Fence }
  | { outcome: 'unknown' | 'refused' | 'no-answer'; detail: string };

async function ask({ hub, fence }: WaitOptions, waitMs: number): Promise<Answer> {
  try {
    const path = `/v1/fences/${encodeURIComponent(fence)}?timeoutMs=${waitMs}`;
    return { outcome: 'fence', fence: await hub.get<Fence>(path, waitMs + graceMs) };
  } catch (error) {
    if (!(error instanceof HubRequestError)) throw error;
    const { message, status, exitCode } = error;
    if (status === 404)
      return { outcome: 'unknown', detail: `there is no fence ${fence} for this key: ${message}` };
    return { outcome: exitCode === hubExitCodes.unreachable ? 'no-answer' : 'refused', detail: message };
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
