import { errors } from 'undici';
import { badPath, problemReply, type Reply } from '../replies.ts';

/** What came of forwarding a request. One closed union for metrics, logs and tests. */
export const forwardOutcomes = [
  'forwarded',
  /** The connection was upgraded, and is over. */
  'tunnelled',
  /** The key was refused, revoked or expired before the exchange was over, and so the exchange was ended. */
  'withdrawn',
  /** The client went away; so did the upstream's request. */
  'client-aborted',
  /** Refused before anything was sent, because a bound was reached. */
  'overloaded',
  /** The request cannot be sent as it is. */
  'refused',
  /** The upstream is where this gateway connects to nothing. */
  'denied',
  'connect-timeout',
  'headers-timeout',
  /** The upstream fell silent in the middle of its answer, which is cut off. */
  'idle-timeout',
  'unreachable',
  /** The upstream took the request, or may have; its answer is no HTTP, or broke off. */
  'broken',
] as const;
export type ForwardOutcome = (typeof forwardOutcomes)[number];

export type FailedForward = Exclude<
  ForwardOutcome,
  'forwarded' | 'tunnelled' | 'withdrawn' | 'client-aborted'
>;

/** RFC 9110 9.2.2. */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/**
 * Whether a request whose body nobody has read yet may be sent again. What never reached an upstream may; what may
 * have reached it only if twice is as good as once. Not what timed out there: a slow upstream is not helped by more.
 */
export function mayRetry(failure: FailedForward, method: string | undefined): boolean {
  if (failure === 'unreachable' || failure === 'connect-timeout' || failure === 'denied') return true;
  return failure === 'broken' && idempotent.has(method ?? '');
}

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
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  if (code === 'ECONNRESET' || code === 'EPIPE' || String(code).startsWith('HPE_')) return 'broken';
  // Whatever happens while reading or writing happens on a connection.
  return syscall === 'read' || syscall === 'write' ? 'broken' : 'unreachable';
}

const timedOut = (title: string) => problemReply(504, 'UPSTREAM_TIMEOUT', title);

/** What the client is told, as long as no answer has begun. */
export const failureReplies: Record<FailedForward, Reply> = {
  overloaded: problemReply(503, 'UPSTREAM_OVERLOADED', 'Too many requests to this cluster are under way', {
    headers: { 'retry-after': '1' },
  }),
  refused: badPath,
  denied: problemReply(
    502,
    'UPSTREAM_DENIED',
    "This gateway does not connect to where the cluster's upstream is",
  ),
  'connect-timeout': timedOut("The cluster's upstream did not take the connection in time"),
  'headers-timeout': timedOut("The cluster's upstream did not answer in time"),
  'idle-timeout': timedOut("The cluster's upstream fell silent"),
  unreachable: problemReply(502, 'UPSTREAM_UNREACHABLE', "The cluster's upstream cannot be reached"),
  broken: problemReply(502, 'UPSTREAM_BROKEN', "The cluster's upstream broke off or did not speak HTTP"),
};
