export interface Failure {
  message: string;
  exitCode: number;
}

/**
 * What a person at the terminal is told about an error that ended the command. Errors that carry an `exitCode`
 * are ours and explain themselves; anything else is one line, with its stack under `SPOKECAST_LOG_LEVEL=debug` or `trace`.
 */
export function explainFailure(error: unknown, logLevel: string | undefined): Failure {
  if (!(error instanceof Error)) return { message: String(error), exitCode: 1 };
  const exitCode = 'exitCode' in error && typeof error.exitCode === 'number' ? error.exitCode : undefined;
  if (exitCode !== undefined) return { message: error.message, exitCode };
  const verbose = logLevel === 'debug' || logLevel === 'trace';
  if (verbose) return { message: error.stack ?? error.message, exitCode: 1 };
  const message = `${rootMessage(error)}${adviceFor(error)} (SPOKECAST_LOG_LEVEL=debug shows where)`;
  return { message, exitCode: 1 };
}

/** What to look at, for what the system says of addresses: it does not know which option they came from. */
function adviceFor(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return '. End the program that listens there, or set another SPOKECAST_PORT';
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'CONNECT_TIMEOUT')
    return '. Is what DATABASE_URL (and REDIS_URL, if set) names running, and reachable from here?';
  if (code === 'CONNECTION_DESTROYED')
    return '. Does DATABASE_URL lead to a standby, or to a server that takes no writes?';
  return '';
}

/** Connection errors of several addresses carry an empty message and the reasons inside. */
function rootMessage(error: Error): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.map((inner) => (inner instanceof Error ? inner.message : String(inner))).join('; ');
  }
  return error.message || error.name;
}
