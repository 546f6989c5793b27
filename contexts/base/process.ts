import { systemClock } from './clock.ts';

/** npm passes Ctrl-C on to a process that the terminal has signalled already: the second is no second request. */
const sameRequestMs = 1_000;

/**
 * The first SIGINT or SIGTERM asks the process to end in order; another one, more than a second later, ends it
 * at once with 130. Resolves with the signal's name.
 */
export function untilSignalled(): Promise<'SIGINT' | 'SIGTERM'> {
  return new Promise((resolve) => {
    let askedAtMs: number | undefined;
    const onSignal = (signal: 'SIGINT' | 'SIGTERM') => {
      const nowMs = systemClock.monotonic();
      if (askedAtMs !== undefined && nowMs - askedAtMs > sameRequestMs) process.exit(130);
      askedAtMs ??= nowMs;
      resolve(signal);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}

/** Calls `fn` for every SIGHUP, which otherwise ends a process. Returns how to take that back. */
export function onHangup(fn: () => void): () => void {
  process.on('SIGHUP', fn);
  return () => process.off('SIGHUP', fn);
}
