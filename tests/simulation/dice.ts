import type { Random } from '../../contexts/base/random.ts';
import { seededRandom } from '../support/samples.ts';

/** Choices that are the same in every run of a seed. */
export class Dice {
  readonly random: Random;

  constructor(seed: number) {
    // Neighbouring seeds begin alike: mixed, and the first numbers thrown away.
    this.random = seededRandom(Math.imul(seed + 1, 0x9e3779b1) ^ 0x5bd1e995);
    for (let n = 0; n < 8; n++) this.random.fraction();
  }

  below(count: number): number {
    return Math.floor(this.random.fraction() * count);
  }

  chance(share: number): boolean {
    return this.random.fraction() < share;
  }

  of<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }
}
