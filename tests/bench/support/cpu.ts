import { readdirSync, readFileSync } from 'node:fs';

/** Ticks of user and system time come in hundredths of a second on every Linux that Node runs on. */
const tickMs = 10;

/**
 * CPU time that processes have used since they started, in milliseconds, their children included where they are
 * servers of one process a connection. On a machine that does other things as well it says more than wall time does.
 */
export function cpuMs(pid: number, options: { withChildren?: boolean } = {}): number {
  const pids = options.withChildren ? [pid, ...childrenOf(pid)] : [pid];
  return pids.reduce((sum, one) => sum + (statOf(one)?.ticks ?? 0) * tickMs, 0);
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && statOf(Number(name))?.parent === pid)
    .map(Number);
}

/** Undefined where the process has ended. */
function statOf(pid: number): { parent: number; ticks: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // after the name, which may hold anything
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return undefined;
  }
}
