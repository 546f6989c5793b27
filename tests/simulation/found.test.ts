import { describe, expect, test } from 'vitest';
import { simulate } from './simulate.ts';
import type { Step } from './steps.ts';

/** Bugs that the simulation found in production code, as the shortest traces that showed them. */
describe('what the simulation found', () => {
  const edit = (...edits: Extract<Step, { do: 'edit' }>['edits']): Step => ({
    do: 'edit',
    edits,
    open: false,
  });
  const run: Step = { do: 'run', ms: 150 };
  const violation = async (steps: readonly Step[]) => (await simulate(1, steps)).violation;

  test('[law 3] an announcement of a table that was lost does not bind what is read from the next', async () => {
    // It was announced and could not be read; then the table was lost, and it was deleted without a trace in the next.
    // The entry waited for the announced version for ever: a 503 here, an old value served on where one was held.
    const steps: Step[] = [
      { do: 'arm', rule: { process: 'r2/g1', place: 'read', when: 'after', does: 'unavailable', times: 12 } },
      edit({ edit: 'key', n: 4, to: 'create' }),
      { do: 'run', ms: 40 },
      { do: 'lose', what: 'table', region: 1, nth: 0 },
      { do: 'lose', what: 'outbox row', region: 1, nth: 0 },
      edit({ edit: 'key', n: 4, to: 'delete' }),
      run,
      run,
    ];
    expect(await violation(steps)).toBeUndefined();
  });

  test('[law 3] a tombstone of age is announced once more before it is taken away', async () => {
    // It was put, its announcement and its job were lost, and no sweep came to an end before its retention did: the
    // sweep that then removed it told nobody, and gateways went on with what they held.
    const crash = (publisher: number): Step => ({ do: 'crash', publisher, region: 0 });
    const steps: Step[] = [
      {
        do: 'arm',
        rule: { process: 'publisher', place: 'announce', when: 'before', does: 'freeze', times: 1 },
      },
      edit({ edit: 'key', n: 0, to: 'delete' }),
      run,
      ...[0, 1, 2].map(crash),
      { do: 'lose', what: 'job', region: 0, nth: 0 },
      ...Array<Step>(3).fill({ do: 'pass', ms: 1_300 }),
    ];
    expect(await violation(steps)).toBeUndefined();
  });

  // An item is lost from the store; what it stood for is deleted, and that job is lost as well. The sweep found
  // nothing where nothing is to be, and told nobody: a gateway that held it went on until its entry was refreshed.
  test('[law 3] a deletion reaches gateways though the store has lost what was deleted', async () => {
    const steps: Step[] = [
      { do: 'tamper', region: 0, how: 'remove', n: 3 },
      { do: 'lose', what: 'job', region: 0, nth: 0 },
      edit({ edit: 'key', n: 0, to: 'delete' }),
      run,
    ];
    expect(await violation(steps)).toBeUndefined();
  });

  // A cluster leaves a region, and the tombstones of its keys come of age there; it is placed there again, and
  // the row of the outbox that would have bumped its keys is lost. The sweep found the keys missing and put them at
  // the revision of their tombstones, which a gateway that remembers those refused until it was restarted.
  test('[law 3] what comes back after its tombstone has expired outranks the memory of it', async () => {
    const steps: Step[] = [
      edit({ edit: 'placement', n: 2, region: 0, to: 'remove' }),
      run,
      ...Array<Step>(5).fill({ do: 'pass', ms: 1_300 }),
      { do: 'sweep', publisher: 0, region: 0 },
      run,
      { do: 'lose', what: 'outbox row', region: 0, nth: 0 },
      edit({ edit: 'placement', n: 2, region: 0, to: 'add' }),
      run,
    ];
    expect(await violation(steps)).toBeUndefined();
  });
});
