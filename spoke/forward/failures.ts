import { errors } from 'undici';
import { badPath, problemReply, type Reply } from '../replies.ts';

/** What came of forwarding a request. One closed union for metrics, logs and tests. */
export const forwardOutcomes = [
  'forwarded',
  /** The client went away; so did the upstream's request. */
  'client-aborted',
  /** Refused before anything was sent, because a bound was reached. */
  'overloaded',
  /** The request cannot be sent as it is. */
  'refused',
  'connect-timeout',
  'headers-timeout',
  /** The upstream fell silent in the middle of its answer, which is cut off. */
  'idle-timeout',
  'unreachable',
  /** The upstream's answer is no HTTP, or broke off. */
  'broken',
] as const;
export type ForwardOutcome = (typeof forwardOutcomes)[number];

export type FailedForward = Exclude<ForwardOutcome, 'forwarded' | 'client-aborted'>;

/** Why undici gave up. The client's own going away is told apart before. */
export function failureOf(error: unknown): FailedForward {
  if (error instanceof errors.ConnectTimeoutError) return 'connect-timeout';
  if (error instanceof errors.HeadersTimeoutError) return 'headers-timeout';
  if (error instanceof errors.BodyTimeoutError) return 'idle-timeout';
  if (error instanceof errors.InvalidArgumentError || error instanceof errors.NotSupportedError)
    return 'refused';
  if (error instanceof errors.HTTPParserError || error instanceof errors.SocketError) return 'broken';
  if (
    error instanceof errors.HeadersOverflowError ||
    error instanceof errors.ResponseContentLengthMismatchError
  )
    return 'broken';
  const code = (error as { code?: unknown } | null)?.code;
  return code === 'ECONNRESET' || code === 'EPIPE' ? 'broken' : 'unreachable';
}

const timedOut = (title: string) => problemReply(504, 'UPSTREAM_TIMEOUT', title);

/** What the client is told, as long as no answer has begun. */
export const failureReplies: Record<FailedForward, Reply> = {
  overloaded: problemReply(503, 'UPSTREAM_OVERLOADED', 'Too many requests to this cluster are under way', {
    headers: { 'retry-after': '1' },
  }),
  refused: badPath,
  'connect-timeout': timedOut("The cluster's upstream did not take the connection in time"),
  'headers-timeout': timedOut("The cluster's upstream did not answer in time"),
  'idle-timeout': timedOut("The cluster's upstream fell silent"),
  unreachable: problemReply(502, 'UPSTREAM_UNREACHABLE', "The cluster's upstream cannot be reached"),
  broken: problemReply(502, 'UPSTREAM_BROKEN', "The cluster's upstream broke off or did not speak HTTP"),
};
