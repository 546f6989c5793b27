import type { Dice } from './dice.ts';
import type { Edit } from './edits.ts';
import { regionCount } from './steps.ts';

/** Of anything, and every other time of what has `hot` for its number. */
export function anEdit(dice: Dice, hot?: number): Edit {
  const n = hot !== undefined && dice.chance(0.5) ? hot : dice.below(30);
  switch (dice.below(8)) {
    case 0:
      return {
        edit: 'tenant',
        n,
        to: dice.of(['create', 'create', 'create', 'delete', 'suspend', 'activate']),
      };
    case 1:
    case 2:
      return {
        edit: 'cluster',
        n,
        to: dice.of(['create', 'create', 'create', 'delete', 'disable', 'enable']),
      };
    case 3:
    case 4:
      return {
        edit: 'placement',
        n,
        region: dice.below(regionCount),
        to: dice.of(['add', 'add', 'remove', 'move', 'override']),
      };
    default:
      return {
        edit: 'key',
        n,
        to: dice.of(['create', 'create', 'create', 'delete', 'disable', 'enable', 'rotate', 'expire']),
      };
  }
}
