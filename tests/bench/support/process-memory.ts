import { readFileSync, writeFileSync } from 'node:fs';

/** Forgets the peak so far, so that the next reading is of what follows. Linux only. */
export function resetPeakRss(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** The most memory a process has held since the last reset, in MiB: `VmHWM` of /proc. */
export function peakRssMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}
