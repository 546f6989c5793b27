import type { Dice } from './dice.ts';
import { anEdit } from './edit-choices.ts';
import { gatewayCount, gatewayName, type Losable, regionCount, type Step } from './steps.ts';

/** Where a scene plays, and the steps it is made of, each with choices of its own. */
class Stage {
  readonly #dice: Dice;
  readonly #hot: number;
  readonly region: number;
  readonly gateway: number;
  readonly run: Step;
  readonly sweep: Step;
  readonly ask: Step;
  readonly restart: Step;
  readonly resume: Step;

  constructor(dice: Dice, hot: number) {
    this.#dice = dice;
    this.#hot = hot;
    const [region, gateway] = [dice.below(regionCount), dice.below(gatewayCount)];
    this.region = region;
    this.gateway = gateway;
    this.run = { do: 'run', ms: dice.of([20, 60, 150]) };
    this.sweep = { do: 'sweep', publisher: dice.below(3), region };
    this.ask = { do: 'ask', region, gateway };
    this.restart = { do: 'restart', region, gateway };
    this.resume = { do: 'resume', nth: dice.below(12) };
  }

  chance(share: number): boolean {
    return this.#dice.chance(share);
  }

  pass(ms: number): Step {
    return { do: 'pass', ms };
  }

  change(): Step {
    return { do: 'edit', edits: [anEdit(this.#dice, this.#hot)], open: false };
  }

  /** Of the one key that this seed has most to do with. */
  changeKey(...to: readonly ('create' | 'delete' | 'disable')[]): Step {
    return { do: 'edit', edits: [{ edit: 'key', n: this.#hot, to: this.#dice.of(to) }], open: false };
  }

  move(): Step {
    const moved = { edit: 'placement', n: this.#hot, region: this.region, to: 'move' } as const;
    return { do: 'edit', edits: [moved, anEdit(this.#dice, this.#hot)], open: false };
  }

  tamper(): Step {
    const how = this.#dice.of(['edit', 'garble', 'advance', 'stranger'] as const);
    return { do: 'tamper', region: this.region, how, n: this.#dice.below(10) };
  }

  lose(...what: readonly Losable[]): Step {
    return { do: 'lose', what: this.#dice.of(what), region: this.region, nth: this.#dice.below(10) };
  }

  /** Whoever comes to one of the places first freezes there, or fails. */
  freeze(...places: readonly string[]): Step {
    return this.#arm('publisher', places);
  }

  freezeGateway(...places: readonly string[]): Step {
    return this.#arm(gatewayName(this.region, this.gateway), places);
  }

  #arm(process: string, places: readonly string[]): Step {
    const place = this.#dice.of(places);
    const when = this.#dice.of(['before', 'after'] as const);
    const does = this.#dice.of(['freeze', 'freeze', 'unavailable'] as const);
    return { do: 'arm', rule: { process, place, when, does, times: 1 } };
  }

  fail(...places: readonly string[]): Step {
    const place = this.#dice.of(places);
    const rule = { process: 'publisher', place, when: 'before', does: 'unavailable', times: 1 } as const;
    return { do: 'arm', rule };
  }
}

type Scene = (on: Stage) => Step[];

const repairInterrupted: Scene = (on) => {
  const repairs = on.freeze(
    'drawRevisions',
    'drawRevisions',
    'freshRevision',
    'freshRevision',
    'put',
    'read',
  );
  return [on.tamper(), on.ask, repairs, on.sweep, on.run, on.run, on.resume];
};

const tableMadeAnew: Scene = (on) => {
  const probe: Step = { do: 'probe', publisher: 0, region: on.region };
  const seeding = on.freeze('setWhole', 'setWhole', 'scan', 'range', 'put');
  return [on.ask, on.lose('table'), probe, on.ask, seeding, on.sweep, on.run, on.run, on.ask, on.resume];
};

const tombstoneOfAge: Scene = (on) => {
  const ages = Array<Step>(5).fill(on.pass(1_300));
  const expiry = on.freeze('expire', 'expire', 'expire', 'trimFeed', 'trimGateways');
  return [on.changeKey('delete'), on.run, ...ages, expiry, on.sweep, on.run, on.resume, on.ask];
};

const oldStateInHand: Scene = (on) => {
  const late = on.chance(0.4) ? [on.pass(1_200)] : [];
  const holding = on.freeze('build', 'put', 'put', 'raiseHighWater');
  const change = () => on.changeKey('create', 'delete', 'disable');
  return [holding, change(), on.run, change(), on.run, ...late, on.resume, on.run];
};

/** And the job is handed out again, or is lost with him. */
const diedBeforeAnnouncing: Scene = (on) => {
  const { region } = on;
  const die = [0, 1, 2].map((publisher): Step => ({ do: 'crash', publisher, region }));
  const then: Step[] = on.chance(0.5)
    ? [{ do: 'stall', region, nth: 0 }]
    : [0, 1].map((each) => ({ do: 'lose', what: 'job', region: each, nth: 0 }));
  return [on.freeze('announce', 'announce', 'put'), on.change(), on.run, ...die, ...then, on.run];
};

const announcementsMissed: Scene = (on) => {
  const missed = [on.change(), on.run, on.lose('feed', 'announcement'), on.change(), on.run];
  return [on.ask, on.freezeGateway('readFeed'), ...missed, on.sweep, on.run, on.resume];
};

const fillUnderWay: Scene = (on) => {
  const begun = [on.restart, on.pass(250), on.freezeGateway('read'), on.ask, on.pass(10)];
  return [...begun, on.changeKey('create', 'delete', 'disable'), on.run, on.run, on.resume, on.ask];
};

const slowStart: Scene = (on) => {
  const begun = [on.freezeGateway('readIdentity', 'readFeedHead'), on.restart, on.pass(60)];
  return [...begun, on.change(), on.run, on.ask, on.resume, on.run, on.ask];
};

const relayInterrupted: Scene = (on) => {
  const first = on.freeze(
    'release',
    'renew',
    'holding',
    'cascade',
    'cascade-chunk',
    'arrival',
    'depart',
    'complete',
  );
  return [first, on.fail('enqueue', 'holders'), on.move(), on.run, on.resume, on.run];
};

const firstSweepOfAll: Scene = (on) => {
  const begun = on.freeze('currentMark', 'recallPlacements', 'changedSince', 'completeSweep', 'highWater');
  return [on.lose('marks of sweeps'), begun, on.sweep, on.run, on.change(), on.resume, on.run];
};

/** Somebody revokes, the regions hear of it, and the hub forgets: perhaps with somebody still at work on the lost past. */
const hubRestored: Scene = (on) => {
  const before: Step[] = [on.changeKey('create'), on.run, on.run, { do: 'back up' }];
  const since = [
    on.changeKey('delete', 'delete', 'disable'),
    ...(on.chance(0.4) ? [on.move()] : [on.change()]),
  ];
  const late = on.chance(0.5) ? [on.freeze('put', 'announce', 'build', 'enqueue')] : [];
  return [
    ...before,
    ...since,
    on.run,
    ...late,
    on.change(),
    on.run,
    { do: 'restore' },
    on.ask,
    on.resume,
    on.run,
    on.sweep,
    on.run,
    on.ask,
  ];
};

/** Those that it takes more luck to come through stand here twice. */
const scenes: readonly Scene[] = [
  repairInterrupted,
  repairInterrupted,
  tableMadeAnew,
  tombstoneOfAge,
  oldStateInHand,
  diedBeforeAnnouncing,
  diedBeforeAnnouncing,
  announcementsMissed,
  fillUnderWay,
  slowStart,
  relayInterrupted,
  firstSweepOfAll,
  hubRestored,
  hubRestored,
];

/**
 * A hazard that single steps seldom come to, because it takes several in this order. Every step is still one of its
 * own, and all the choices in it are the dice's.
 */
export function aScene(dice: Dice, hot: number): Step[] {
  return dice.of(scenes)(new Stage(dice, hot));
}
