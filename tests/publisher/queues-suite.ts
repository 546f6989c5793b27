import type { Job } from 'bullmq';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type RefreshJob, refreshJobOptions } from '../../publisher/jobs.ts';
import { addJobs, type JobQueue, type JobWorker, type Queues } from '../../publisher/queues.ts';
import { Gate } from '../support/gate.ts';
import { freePort } from '../support/process.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

export interface QueueBackend {
  url: string;
  /** Queues as one publisher opens them, on another port where one is given. */
  open(onError: (error: Error) => void, port?: number): Queues;
  /** Ends every connection that is open now, on the server's side. */
  killConnections(): Promise<void>;
}

const lockMs = 2000;
/** How long anything may take that waits for a lock to expire or a connection to be made again. */
const patience = { timeout: 30_000, interval: 50 };

/** `url` with another port, or as it is. */
export function withPort(url: string, port: number | undefined): string {
  const other = new URL(url);
  if (port !== undefined) other.port = String(port);
  return other.href;
}

/** What both backends must do. Each test has queues of its own names; publishers are closed after each. */
export function describeQueues(name: string, backend: () => QueueBackend): void {
  const opened: { close(force?: boolean): Promise<unknown> }[] = [];
  const publishers: Queues[] = [];
  const errors: Error[] = [];
  afterEach(async () => {
    await Promise.allSettled(opened.splice(0).map((one) => one.close(true)));
    await Promise.allSettled(publishers.splice(0).map((one) => one[Symbol.asyncDispose]()));
    errors.length = 0;
  });

  let names = 0;
  const queueName = () => `refresh-test-${++names}`;

  async function publisher(port?: number): Promise<Queues> {
    const queues = backend().open((error) => errors.push(error), port);
    publishers.push(queues);
    await queues.prepare();
    return queues;
  }
  function queueOf<Data>(queues: Queues, of: string): JobQueue<Data> {
    const queue = queues.queue<Data>(of);
    opened.push(queue);
    return queue;
  }
  function run<Data>(
    queues: Queues,
    of: string,
    process: (job: Job<Data>) => Promise<unknown>,
    concurrency = 1,
  ): JobWorker {
    const worker = queues.worker<Data>(of, process, { concurrency, lockMs });
    opened.push(worker);
    worker.run().catch(() => {});
    return worker;
  }

  const refresh = (key: string, tightens = false): RefreshJob => ({
    refs: [['agent-key', key]],
    tightens,
    changedAtMs: 0,
  });
  const add = (queue: JobQueue<RefreshJob>, jobs: readonly RefreshJob[]) =>
    addJobs(
      queue,
      jobs.map((data) => ({ name: 'refresh', data, opts: refreshJobOptions(data.tightens) })),
    );
  const keyOf = (job: Job<RefreshJob>) => job.data.refs[0]![1];

  describe(name, () => {
    test('jobs are made and done, whichever publisher made them, and nothing is kept of them', async () => {
      const [one, two] = [await publisher(), await publisher()];
      const of = queueName();
      const done: string[] = [];
      run<RefreshJob>(two, of, async (job) => done.push(keyOf(job)), 4);
      const queue = queueOf<RefreshJob>(one, of);
      await add(
        queue,
        ['a', 'b', 'c'].map((key) => refresh(key)),
      );
      await vi.waitFor(() => expect([...done].sort()).toEqual(['a', 'b', 'c']), patience);
      await vi.waitFor(async () => {
        const counts = await queue.getJobCounts();
        expect(Object.values(counts).every((count) => count === 0)).toBe(true);
      }, patience);
    });

    test.each([1, 3, 20])('%i jobs added at once are all made, and taken in their order', async (count) => {
      const queues = await publisher();
      const of = queueName();
      const keys = Array.from({ length: count }, (_, n) => `k${n}`);
      await add(
        queueOf<RefreshJob>(queues, of),
        keys.map((key) => refresh(key)),
      );
      const done: string[] = [];
      run<RefreshJob>(queues, of, async (job) => done.push(keyOf(job)));
      await vi.waitFor(() => expect(done).toEqual(keys), patience);
    });

    test('several publishers share the work: each job is done once', async () => {
      const of = queueName();
      const done: string[] = [];
      for (let n = 0; n < 3; n++)
        run<RefreshJob>(await publisher(), of, async (job) => done.push(keyOf(job)), 4);
      const jobs = Array.from({ length: 200 }, (_, n) => refresh(`k${n}`));
      await add(queueOf<RefreshJob>(await publisher(), of), jobs);
      await vi.waitFor(() => expect(done).toHaveLength(200), patience);
      expect(new Set(done).size).toBe(200);
    });

    test('[law 6] a job that tightens overtakes a thousand that wait', async () => {
      const queues = await publisher();
      const of = queueName();
      const queue = queueOf<RefreshJob>(queues, of);
      const jobs = Array.from({ length: 1000 }, (_, n) => refresh(`k${n}`));
      await add(queue, jobs);
      await add(queue, [refresh('revoked', true)]);
      const done: string[] = [];
      run<RefreshJob>(queues, of, async (job) => done.push(keyOf(job)));
      await vi.waitFor(() => expect(done.length).toBeGreaterThan(1), patience);
      expect(done[0]).toBe('revoked');
    });

    test('[law 6] also while the backlog is being worked off', async () => {
      const queues = await publisher();
      const of = queueName();
      const queue = queueOf<RefreshJob>(queues, of);
      await add(
        queue,
        Array.from({ length: 300 }, (_, n) => refresh(`k${n}`)),
      );
      const done: string[] = [];
      let added: Promise<unknown> | undefined;
      let doneWhenAdded = 0;
      run<RefreshJob>(queues, of, async (job) => {
        done.push(keyOf(job));
        if (done.length === 20) {
          added = add(queue, [refresh('revoked', true)]);
          await added;
          doneWhenAdded = done.length;
        }
      });
      await vi.waitFor(() => expect(done).toContain('revoked'), patience);
      await added;
      expect(done.indexOf('revoked') - doneWhenAdded, 'one may be in hand already').toBeLessThanOrEqual(1);
    });

    test('[law 1] a job that fails is tried again, and again', async () => {
      const queues = await publisher();
      const of = queueName();
      let attempts = 0;
      run<RefreshJob>(queues, of, async () => {
        attempts += 1;
        if (attempts < 3) throw new Error('the store is away');
      });
      await add(queueOf<RefreshJob>(queues, of), [refresh('a')]);
      await vi.waitFor(() => expect(attempts).toBe(3), patience);
    });

    test('[law 1] two jobs that name the same context are both done: none is deduplicated', async () => {
      const queues = await publisher();
      const of = queueName();
      const queue = queueOf<RefreshJob>(queues, of);
      await add(queue, [refresh('a'), refresh('a'), refresh('a', true)]);
      let done = 0;
      run<RefreshJob>(queues, of, async () => done++);
      await vi.waitFor(() => expect(done).toBe(3), patience);
    });

    test('[law 1] the job of a worker that died is given to another when its lock is over', async () => {
      const [dying, living] = [await publisher(), await publisher()];
      const of = queueName();
      let taken = false;
      const dead = run<RefreshJob>(dying, of, () => {
        taken = true;
        return new Promise(() => {}); // and is never heard of again
      });
      await add(queueOf<RefreshJob>(living, of), [refresh('a')]);
      await vi.waitFor(() => expect(taken).toBe(true), patience);
      const done: string[] = [];
      run<RefreshJob>(living, of, async (job) => done.push(keyOf(job)));
      await dead.close(true); // stops renewing the lock, as a process that is gone does
      await vi.waitFor(() => expect(done).toEqual(['a']), patience);
    });

    test('[law 3] a repeating job fires, however often it is scheduled and by however many', async () => {
      const [one, two] = [await publisher(), await publisher()];
      const of = queueName();
      const fired: number[] = [];
      for (const queues of [one, two, one]) {
        const queue = queueOf<{ cause: string }>(queues, of);
        await queue.upsertJobScheduler(
          'sweep',
          { every: 400 },
          { name: 'sweep', data: { cause: 'scheduled' } },
        );
      }
      const begunAt = performance.now();
      run<{ cause: string }>(one, of, async () => fired.push(performance.now() - begunAt));
      await vi.waitFor(() => expect(fired.length).toBeGreaterThanOrEqual(4), patience);
      const perSecond = fired.length / ((fired.at(-1)! - fired[0]!) / 1000 + 0.4);
      expect(perSecond, 'one schedule, not three').toBeLessThan(4);
    });

    test('[law 3] a schedule that was lost with the whole queue is made again', async () => {
      const queues = await publisher();
      const of = queueName();
      const queue = queueOf<{ cause: string }>(queues, of);
      let fired = 0;
      run<{ cause: string }>(queues, of, async () => fired++);
      const schedule = () =>
        queue.upsertJobScheduler('sweep', { every: 300 }, { name: 'sweep', data: { cause: 'scheduled' } });
      await schedule();
      await vi.waitFor(() => expect(fired).toBeGreaterThan(0), patience);
      await queue.obliterate({ force: true });
      await queue.removeJobScheduler('sweep');
      expect(await queue.getJobScheduler('sweep')).toBeUndefined();
      await schedule();
      const before = fired;
      await vi.waitFor(() => expect(fired).toBeGreaterThan(before + 1), patience);
    });

    test('[law 3] jobs that were obliterated are gone, and the next are done', async () => {
      const queues = await publisher();
      const of = queueName();
      const queue = queueOf<RefreshJob>(queues, of);
      await add(
        queue,
        Array.from({ length: 50 }, (_, n) => refresh(`lost${n}`)),
      );
      await queue.obliterate({ force: true });
      const done: string[] = [];
      run<RefreshJob>(queues, of, async (job) => done.push(keyOf(job)));
      await add(queue, [refresh('next')]);
      await vi.waitFor(() => expect(done).toEqual(['next']), patience);
    });

    test('[law 3] a worker goes on after every connection was cut, also one that was waiting for work', async () => {
      const queues = await publisher();
      const of = queueName();
      const queue = queueOf<RefreshJob>(queues, of);
      const done: string[] = [];
      run<RefreshJob>(queues, of, async (job) => done.push(keyOf(job)), 2);
      await add(queue, [refresh('before')]);
      await vi.waitFor(() => expect(done).toEqual(['before']), patience);
      for (let n = 0; n < 3; n++) {
        await backend().killConnections();
        // A producer may meet the cut connection once; the relay gives its rows back and tries again.
        await vi.waitFor(() => add(queue, [refresh(`after${n}`)]), patience);
        await vi.waitFor(() => expect(done).toContain(`after${n}`), patience);
      }
    });

    test('a sweep of a name waits once, and can be asked for again when it failed', async () => {
      const queues = await publisher();
      const of = queueName();
      const queue = queueOf<{ cause: string }>(queues, of);
      const ask = () =>
        queue.add('sweep', { cause: 'requested' }, { jobId: 'swp_1', attempts: 1, removeOnFail: true });
      await ask();
      await ask();
      let runs = 0;
      run<{ cause: string }>(queues, of, async () => {
        runs += 1;
        throw new Error('the database is away');
      });
      await vi.waitFor(async () => {
        expect(runs).toBe(1);
        expect((await queue.getJobCounts('active')).active).toBe(0);
      }, patience);
      await ask();
      await vi.waitFor(() => expect(runs).toBe(2), patience);
    });

    test('[law 8] a region that comes and goes asks for many recoveries: one waits beside the one at work, no more', async () => {
      const queues = await publisher();
      const of = queueName();
      const queue = queueOf<{ cause: string }>(queues, of);
      const ask = () =>
        queue.add(
          'sweep',
          { cause: 'recovery' },
          {
            attempts: 5,
            backoff: { type: 'exponential', delay: 100 },
            deduplication: { id: 'recovery', keepLastIfActive: true },
          },
        );
      const waiting = async () => (await queue.getJobCounts('waiting', 'prioritized', 'delayed')).waiting;
      for (let n = 0; n < 20; n++) await ask();
      expect(await waiting()).toBe(1);

      let runs = 0;
      let failing = true;
      const gate = new Gate();
      run<{ cause: string }>(queues, of, async () => {
        runs += 1;
        if (runs === 1) await gate.pass();
        if (failing && runs < 3) throw new Error('the store is away again');
      });
      await gate.reached(1);
      for (let n = 0; n < 20; n++) await ask(); // asked for while one is at work: it may be past what changed since
      gate.open();
      await vi.waitFor(() => expect(runs, 'twice in vain, then both').toBe(4), patience);
      failing = false;
      await ask();
      await vi.waitFor(() => expect(runs, 'and it can be asked for again').toBe(5), patience);
    });

    test('[law 1] with the backend gone a producer hears of it, to give its rows back; all goes on when it is back', async () => {
      const { port } = new URL(backend().url);
      await using proxy = await new TcpProxy(Number(port)).start();
      const queues = await publisher(proxy.port);
      const of = queueName();
      const queue = queueOf<RefreshJob>(queues, of);
      const done: string[] = [];
      run<RefreshJob>(queues, of, async (job) => done.push(keyOf(job)), 2);
      await add(queue, [refresh('before')]);
      await vi.waitFor(() => expect(done).toEqual(['before']), patience);

      await proxy.stop();
      await expect(add(queue, [refresh('lost')])).rejects.toThrow();
      await vi.waitFor(() => expect(errors.length, 'and it is reported').toBeGreaterThan(0), patience);

      await proxy.start();
      await vi.waitFor(() => add(queue, [refresh('after')]), patience);
      await vi.waitFor(() => expect(done).toContain('after'), patience);
    });

    test('a publisher does not start where there is no backend', async () => {
      const queues = backend().open((error) => errors.push(error), await freePort());
      publishers.push(queues);
      await expect(queues.prepare()).rejects.toThrow();
    });
  });
}
