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
  return { message: `${rootMessage(error)} (SPOKECAST_LOG_LEVEL=debug shows where)`, exitCode: 1 };
}

/** Connection errors of several addresses carry an empty message and the reasons inside. */
function rootMessage(error: Error): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.map((inner) => (inner instanceof Error ? inner.message : String(inner))).join('; ');
  }
  return error.message || error.name;
}
