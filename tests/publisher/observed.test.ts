import { expect, test } from 'vitest';
import { Observed } from '../../publisher/observed.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

/** Something that answers, fails or hangs, as told. */
function source(clock: VirtualClock) {
  let asked = 0;
  let mode: 'answers' | 'fails' | 'hangs' = 'answers';
  const hanging: (() => void)[] = [];
  const observed = new Observed({
    clock,
    look: async () => {
      asked += 1;
      if (mode === 'fails') throw new Error('gone');
      if (mode === 'hangs') await new Promise<void>((resolve) => hanging.push(resolve));
      return asked;
    },
  });
  return {
    observed,
    becomes: (next: typeof mode) => {
      mode = next;
    },
    letGo: () => hanging.splice(0).forEach((go) => void go()),
    asked: () => asked,
  };
}

test('before the first answer there is no value, and its age is the time since it is wanted', async () => {
  const clock = new VirtualClock();
  const { observed } = source(clock);
  await clock.advance(3000);
  expect([observed.value, observed.sinceMs]).toEqual([undefined, 3000]);
  await observed.look(2000);
  expect([observed.value, observed.sinceMs]).toEqual([1, 0]);
});

test('a value that cannot be asked for any more stays, and its age grows', async () => {
  const clock = new VirtualClock();
  const { observed, becomes } = source(clock);
  await observed.look(2000);
  becomes('fails');
  await clock.advance(60_000);
  await observed.look(2000);
  expect([observed.value, observed.sinceMs]).toEqual([1, 60_000]);
  becomes('answers');
  await observed.look(2000);
  expect([observed.value, observed.sinceMs]).toEqual([3, 0]);
});

test('[law 8] looks that hang are given up for, and there is never more than one under way', async () => {
  const clock = new VirtualClock();
  const { observed, becomes, asked, letGo } = source(clock);
  await observed.look(2000);
  becomes('hangs');
  for (let n = 0; n < 5; n++) {
    let over = false;
    const look = observed.look(2000).then(() => {
      over = true;
    });
    await clock.advance(1999);
    expect(over).toBe(false);
    await clock.advance(1);
    await look;
    await clock.advance(13_000);
  }
  expect(asked(), 'the first, and one that hangs').toBe(2);
  expect([observed.value, observed.sinceMs]).toEqual([1, 75_000]);

  becomes('answers');
  letGo();
  await clock.advance(0);
  expect([observed.value, observed.sinceMs], 'as old as the question').toEqual([2, 75_000]);
  await observed.look(2000);
  expect([observed.value, observed.sinceMs]).toEqual([3, 0]);
});
