import { readFileSync } from 'node:fs';

/** The process that holds a lock, as the lock's file tells it. */
export interface Holder {
  pid: number;
  /** When that process started, in the kernel's own count: a process id alone may long be another's. */
  startedBy: string | null;
}

export function thisProcess(): Holder {
  return { pid: process.pid, startedBy: processStart(process.pid) };
}

/** What the text of a lock's file says; undefined where it says nothing of use. */
export function readHolder(text: string | undefined): Holder | undefined {
  try {
    const holder = JSON.parse(text ?? '');
    return typeof holder.pid === 'number' ? holder : undefined;
  } catch {
    return undefined;
  }
}

/** Whether that very process still runs. */
export function isRunning(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return holder.startedBy === null || holder.startedBy === processStart(holder.pid);
}

/** Field 22 of /proc/<pid>/stat; null where the system has no such thing. */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
