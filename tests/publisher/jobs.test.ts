import { describe, expect, test } from 'vitest';
import { refText } from '../../contexts/kinds/index.ts';
import { eachKnown, type RefreshJob } from '../../publisher/jobs.ts';

const job = (...kinds: string[]) =>
  ({ refs: kinds.map((kind) => [kind, 'k']), tightens: false, changedAtMs: 0 }) as unknown as RefreshJob;

/** What is published of a job, and how it ends. */
async function run(job: RefreshJob) {
  const published: string[] = [];
  const ended = await eachKnown(job, async (refs) => published.push(...refs.map(refText))).then(
    () => 'done',
    (error: Error) => error.message,
  );
  return { published, ended };
}

describe('a refresh job', () => {
  test('is done when all it names was published', async () => {
    expect(await run(job('tenant', 'cluster'))).toEqual({
      published: ['tenant/k', 'cluster/k'],
      ended: 'done',
    });
  });

  test('[law 1] that names kinds of a newer build is left to one, after the rest is done', async () => {
    expect(await run(job('tenant', 'flag-set', 'flag-set'))).toEqual({
      published: ['tenant/k'],
      ended: 'this build does not know the kind flag-set; a newer publisher must do it',
    });
    expect(await run(job('flag-set'))).toMatchObject({ published: [] });
  });
});
