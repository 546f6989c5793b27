import { expect, test } from 'vitest';
import { Bag } from '../../../spoke/forward/bag.ts';
import { seededRandom } from '../../support/samples.ts';

test('a bag holds what was added and not taken out, whatever the order', () => {
  const random = seededRandom(5);
  const bag = new Bag<{ place: number }>();
  const model = new Set<{ place: number }>();
  for (let step = 0; step < 2_000; step++) {
    if (model.size === 0 || random.fraction() < 0.5) {
      const thing = { place: 0 };
      bag.add(thing);
      model.add(thing);
    } else {
      const thing = [...model][Math.floor(random.fraction() * model.size)]!;
      bag.delete(thing);
      model.delete(thing);
    }
    expect(bag.size).toBe(model.size);
  }
  expect(new Set(bag.all())).toEqual(model);
});
