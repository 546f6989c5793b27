import { type HubProblemCode, ProblemError } from '../http/problems.ts';

/** What the driver and the server report, told apart by what the hub does about it. */
export type DatabaseFault =
  /** Deadlock or serialization: nothing happened; run it again. */
  | 'conflict'
  /** Not reachable, shutting down, out of connections, or too slow. */
  | 'unavailable'
  | 'unique'
  | 'foreign-key'
  | 'other';

interface PostgresLike {
  code?: unknown;
  constraint_name?: unknown;
  message?: unknown;
  name?: unknown;
  stack?: unknown;
}

const unavailableCodes = new Set([
  ...['CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'CONNECT_TIMEOUT'],
  ...['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT', 'EPIPE', 'EHOSTUNREACH', 'EAI_AGAIN', 'ENOENT'],
  ...['57P01', '57P02', '57P03', '53300', '57014', '55P03', '25P03', '25006'],
]);

/** The driver's own error below drizzle's wrapper, whose message repeats every parameter, secrets included. */
export function rootOf(error: unknown): PostgresLike {
  let root = error;
  while (root instanceof Error && root.cause instanceof Error) root = root.cause;
  return (root ?? {}) as PostgresLike;
}

export function databaseFault(error: unknown): DatabaseFault {
  const code = String(rootOf(error).code ?? '');
  if (code === '40001' || code === '40P01') return 'conflict';
  if (unavailableCodes.has(code) || code.startsWith('08')) return 'unavailable';
  if (code === '23505') return 'unique';
  if (code === '23503') return 'foreign-key';
  return 'other';
}

/** The constraint a statement broke, by name. */
export function brokenConstraint(error: unknown): string | undefined {
  const fault = databaseFault(error);
  if (fault !== 'unique' && fault !== 'foreign-key') return undefined;
  return String(rootOf(error).constraint_name ?? '');
}

/** What the triggers of 0011_tenant_policies.sql refuse. Their words are made for people. */
const policyProblems = {
  quota_clusters: 'QUOTA_EXCEEDED',
  quota_agent_keys: 'QUOTA_EXCEEDED',
  quota_regions: 'QUOTA_EXCEEDED',
  residency: 'REGION_NOT_ALLOWED',
  residency_policy: 'RESIDENCY_IN_USE',
} as const satisfies Record<string, HubProblemCode>;

function brokenPolicy(error: unknown): ProblemError | undefined {
  const { code, constraint_name: broken, message } = rootOf(error);
  if (code !== '23514' || typeof broken !== 'string' || !Object.hasOwn(policyProblems, broken))
    return undefined;
  return new ProblemError(policyProblems[broken as keyof typeof policyProblems], { detail: `${message}` });
}

/** The problem to answer with, whatever was thrown. Nothing of an unexpected error's own text is in it. */
export function toProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  const refused = brokenPolicy(error);
  if (refused) return refused;
  const fault = databaseFault(error);
  if (fault === 'unavailable' || fault === 'conflict') {
    return new ProblemError('DATABASE_UNAVAILABLE', { headers: { 'retry-after': '1' } });
  }
  return new ProblemError('INTERNAL');
}

/** An error as it may be logged: without a statement's parameters (law 10). */
export function loggable(error: unknown): Record<string, unknown> {
  const root = rootOf(error);
  return {
    name: root.name,
    code: root.code,
    message: root.message,
    stack: root.stack,
    constraint: root.constraint_name,
  };
}
