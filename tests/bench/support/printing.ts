import { cpus, totalmem } from 'node:os';
import { systemClock } from '../../../contexts/base/clock.ts';
import { percentile } from '../../replication/support/watching.ts';

/** What the figures are of: without it they mean nothing. */
export function printMachine(): void {
  const [first, ...others] = cpus();
  console.log(
    `${others.length + 1} × ${first?.model.trim() ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, ${process.platform}`,
  );
}

export function line(what: string, figures: string): void {
  console.log(`${what.padEnd(48)} ${figures}`);
}

/**
 * Does the work. What takes longer than two seconds says so on the error stream, again and again, so that the figures
 * can be kept apart; `progress` says how far it is.
 */
export async function during<T>(
  what: string,
  work: () => Promise<T>,
  progress: () => string = () => '',
): Promise<T> {
  const startedAt = systemClock.monotonic();
  const done = new AbortController();
  const remind = async () => {
    for (let waitMs = 2000; ; waitMs = Math.min(2 * waitMs, 15_000)) {
      await systemClock.sleep(waitMs, done.signal);
      if (done.signal.aborted) return;
      const seconds = ((systemClock.monotonic() - startedAt) / 1000).toFixed(0);
      console.error(`  ${what}: ${progress()} ${seconds} s so far`);
    }
  };
  const reminding = remind();
  try {
    return await work();
  } finally {
    done.abort();
    await reminding;
  }
}

export function count(number: number): string {
  return number.toLocaleString('en');
}

export function rate(contexts: number, ms: number): string {
  return `${count(Math.round((contexts / ms) * 1000))} contexts/s   ${(ms / 1000).toFixed(2)} s`;
}

export function milliseconds(numbers: readonly number[]): string {
  const at = (p: number) => percentile(numbers, p).toFixed(1);
  return `p50 ${at(0.5)} ms   p99 ${at(0.99)} ms   max ${at(1)} ms   (${count(numbers.length)})`;
}

/** A figure of a run that did something else than it says is worse than none. */
export function equal(what: string, found: number, expected: number): void {
  if (found !== expected) throw new Error(`${what}: ${found}, and there should be ${expected}`);
}
