import type { RefreshJob } from './jobs.ts';
import type { JobQueue } from './queues.ts';

/** The refresh work of a region that is not done. */
export interface Backlog {
  /** Jobs waiting, delayed or at work. */
  jobs: number;
  /** When the oldest of them was made, milliseconds since the Unix epoch; undefined where there is none. */
  oldestAtMs: number | undefined;
}

const states = ['waiting', 'prioritized', 'delayed', 'active'] as const;
/** Jobs looked at in each state, from the front of the line: they are taken in the order in which they were made. */
const lookedAt = 8;

/** Jobs waiting, delayed or at work. */
export async function unfinishedIn(queue: JobQueue<RefreshJob>): Promise<number> {
  const counts = await queue.getJobCounts(...states);
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Jobs at work count too: one that hangs is as late as one that nobody takes. */
export async function backlogOf(queue: JobQueue<RefreshJob>): Promise<Backlog> {
  const [jobs, ...front] = await Promise.all([
    unfinishedIn(queue),
    ...states.map((state) => queue.getJobs(state, 0, lookedAt - 1, true)),
  ]);
  const madeAt = front.flat().map((job) => job.timestamp);
  return {
    jobs,
    oldestAtMs: madeAt.length > 0 ? Math.min(...madeAt) : undefined,
  };
}
