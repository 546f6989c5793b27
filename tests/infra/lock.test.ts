import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, expect, test } from 'vitest';
import { thisProcess } from '../../contexts/base/holder.ts';
import { ConfigurationError } from '../../contexts/base/options.ts';
import { lock } from '../../infra/bin/platform/lock.ts';

const directory = mkdtempSync(join(tmpdir(), 'spokecast-lock-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const path = join(directory, 'it.lock');
/** What a process that was killed leaves. */
const left = JSON.stringify({ pid: 2 ** 22 + 1, startedBy: '1' });

test('is for one at a time, and leaves nothing', () => {
  const first = lock(path);
  expect(() => lock(path)).toThrow(ConfigurationError);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(thisProcess());
  first[Symbol.dispose]();
  lock(path)[Symbol.dispose]();
  expect(readdirSync(directory)).toEqual([]);
});

test.each([
  ['it', ['']],
  ['it, and of one that was killed while it took its place', ['', '.takeover']],
  ['it, and of two', ['', '.takeover', '.takeover.takeover']],
])('takes the place of one that had %s', (_, files) => {
  for (const file of files) writeFileSync(path + file, left);
  const taken = lock(path);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(thisProcess());
  expect(readdirSync(directory)).toEqual(['it.lock']);
  taken[Symbol.dispose]();
  expect(readdirSync(directory)).toEqual([]);
});

test('what is no text of ours is left by nobody that runs', () => {
  writeFileSync(path, '{');
  lock(path)[Symbol.dispose]();
  expect(readdirSync(directory)).toEqual([]);
});

test('of several that find one left at the same instant, one takes its place', async () => {
  const round = new Int32Array(new SharedArrayBuffer(4));
  const contenders = Array.from(
    { length: 3 },
    () => new Worker(new URL('./lock-contender.ts', import.meta.url), { workerData: { path, round } }),
  );
  const answers = () => Promise.all(contenders.map(async (one) => (await once(one, 'message'))[0] as string));
  const tell = async (message: { begun: number } | 'let go') => {
    const answered = answers();
    for (const one of contenders) one.postMessage(message);
    return await answered;
  };
  try {
    for (let begun = 1; begun <= 150; begun++) {
      writeFileSync(path, left);
      await tell({ begun });
      const outcomes = answers();
      Atomics.store(round, 0, begun);
      Atomics.notify(round, 0);
      expect((await outcomes).toSorted()).toEqual(['refused', 'refused', 'taken']);
      await tell('let go');
    }
    expect(readdirSync(directory)).toEqual([]);
  } finally {
    await Promise.all(contenders.map((one) => one.terminate()));
  }
});
