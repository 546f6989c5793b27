import { Dice } from './dice.ts';
import { anEdit } from './edit-choices.ts';
import type { Moment, Rule } from './faults.ts';
import { gatewayPlaces, publisherPlaces } from './hazards.ts';
import { aScene } from './scenes.ts';
import { gatewayCount, gatewayName, losable, publisherName, regionCount, type Step } from './steps.ts';

export function publisherCountOf(seed: number): number {
  return 2 + (seed % 2);
}

/**
 * The steps of a seed: single ones, and now and then a few that together make a rare hazard likely. Some seeds are
 * *gentle*: nothing is lost for good in them, so that all has to arrive without a sweep.
 */
export function generate(seed: number, count: number): Step[] {
  const dice = new Dice(seed);
  const publishers = publisherCountOf(seed);
  const hot = dice.below(30);
  const gentle = dice.chance(0.4);
  const steps: Step[] = [];
  while (steps.length < count) {
    const next = dice.chance(0.17) ? aScene(dice, hot) : [nextStep(dice, publishers, hot)];
    steps.push(...(gentle ? next.filter((step) => !losesForGood(step)) : next));
  }
  return steps.slice(0, count);
}

function losesForGood(step: Step): boolean {
  if (step.do === 'tamper' || step.do === 'restore') return true;
  return step.do === 'lose' && ['outbox row', 'job', 'table'].includes(step.what);
}

const weights = {
  edit: 18,
  commit: 6,
  rollback: 1,
  pass: 12,
  run: 10,
  relay: 10,
  work: 14,
  sweep: 5,
  ask: 14,
  arm: 22,
  resume: 8,
  outage: 2,
  lose: 4,
  duplicate: 2,
  stall: 2,
  tamper: 3,
  crash: 2,
  probe: 1,
  restart: 3,
  'step clock': 1,
  'back up': 1,
  restore: 1,
} as const satisfies Record<Step['do'], number>;
const bag = Object.entries(weights).flatMap(([name, weight]) =>
  Array<Step['do']>(weight).fill(name as Step['do']),
);

function nextStep(dice: Dice, publishers: number, hot: number): Step {
  const publisher = dice.below(publishers);
  const region = dice.below(regionCount);
  const gateway = dice.below(gatewayCount);
  const nth = dice.below(12);
  const what = dice.of(bag);
  switch (what) {
    case 'edit':
      return {
        do: what,
        edits: Array.from({ length: dice.of([1, 1, 1, 2, 3]) }, () => anEdit(dice, hot)),
        open: dice.chance(0.25),
      };
    case 'commit':
    case 'rollback':
    case 'resume':
      return { do: what, nth };
    case 'pass':
      return { do: what, ms: dice.of([1, 10, 60, 120, 250, 1_200]) };
    case 'run':
      return { do: what, ms: dice.of([20, 60, 150, 400]) };
    case 'relay':
      return { do: what, publisher, takes: dice.of(['placements', 'all-else', 'all-else']) };
    case 'work':
      return { do: what, publisher, region, nth: dice.of([0, 0, nth]) };
    case 'sweep':
      return { do: what, publisher, region };
    case 'ask':
      return { do: what, region, gateway, ...(dice.chance(0.5) ? { one: dice.below(10) } : {}) };
    case 'arm':
      return { do: what, rule: aRule(dice, publisher, region, gateway) };
    case 'outage':
      return { do: what, region, on: dice.chance(0.4) };
    case 'lose':
      return { do: what, what: dice.of([...losable, 'announcement', 'announcement']), region, nth };
    case 'duplicate':
    case 'stall':
      return { do: what, region, nth };
    case 'tamper':
      return {
        do: what,
        region,
        how: dice.of(['remove', 'edit', 'garble', 'advance', 'stranger']),
        n: dice.below(10),
      };
    case 'crash':
    case 'probe':
      return { do: what, publisher, region };
    case 'restart':
      return { do: what, region, gateway };
    case 'back up':
    case 'restore':
      return { do: what };
    case 'step clock':
      return { do: what, ms: dice.of([-400, -100, 100, 400]) };
  }
}

function aRule(dice: Dice, publisher: number, region: number, gateway: number): Rule {
  const when: Moment = dice.of(['before', 'after']);
  const inGateway = dice.chance(0.3);
  const process = inGateway
    ? gatewayName(region, gateway)
    : dice.chance(0.7)
      ? 'publisher'
      : publisherName(publisher);
  if (dice.chance(0.08))
    return {
      process,
      place: inGateway ? 'read' : dice.of(['read', 'scan']),
      when: 'after',
      does: 'lag',
      times: 3,
    };
  const does = dice.of(['freeze', 'freeze', 'freeze', 'unavailable', 'throttled'] as const);
  const place = dice.of(inGateway ? gatewayPlaces : publisherPlaces);
  const times = does === 'freeze' ? 1 : dice.of([1, 1, 2, 12]);
  return { process, place, when, does, times };
}
