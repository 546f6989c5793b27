import { cpus, totalmem } from 'node:os';
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
