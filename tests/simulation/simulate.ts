import { differences } from './checks.ts';
import { Dice } from './dice.ts';
import { anEdit } from './edit-choices.ts';
import { clusterCount, type Edit, keyCount, tenantCount, universe } from './edits.ts';
import type { Hazards } from './hazards.ts';
import { gatewayName, regionCount, type Step } from './steps.ts';
import { timing } from './timing.ts';
import { type Plant, World } from './world.ts';

export interface Outcome {
  /** The first law that was broken, or undefined. */
  violation: string | undefined;
  hazards: Hazards;
  /** What happened, line by line; only where it was asked for. */
  trace: string[];
}

/**
 * Runs steps in a world of their own, then ends all trouble and checks that everything converges:
 *
 * - what nobody lost is everywhere once leases are over and jobs are done, without any sweep;
 * - after one sweep a region, everything is everywhere, whatever was lost (law 3);
 * - and what changes then is everywhere within a second (law 6), also for those that asked before, and for those whose
 *   reads were under way.
 */
export async function simulate(
  seed: number,
  steps: readonly Step[],
  options: { plant?: Plant; trace?: boolean } = {},
): Promise<Outcome> {
  const trace: string[] = [];
  let telling = false;
  const world = new World(seed, options.plant, (line) => {
    if (telling) trace.push(line);
  });
  const outcome = (): Outcome => ({ violation: world.violations[0], hazards: world.hazards, trace });
  const broken = () => world.violations.length > 0;
  try {
    await begin(world);
    telling = options.trace === true;
    for (const step of steps) {
      if (broken()) return outcome();
      await world.do(step);
    }
    const stages = [drain, sweepAll, freshness];
    for (const stage of stages) {
      if (broken()) return outcome();
      world.note(`= ${stage.name}`);
      await stage(world, seed);
    }
    return outcome();
  } finally {
    world.kill();
  }
}

/** A small platform, everywhere and at rest. */
async function begin(world: World): Promise<void> {
  await world.calm();
  const all: Edit[] = [
    ...Array.from({ length: tenantCount }, (_, n): Edit => ({ edit: 'tenant', n, to: 'create' })),
    ...Array.from({ length: clusterCount }, (_, n): Edit => ({ edit: 'cluster', n, to: 'create' })),
    ...Array.from({ length: keyCount - 2 }, (_, n): Edit => ({ edit: 'key', n, to: 'create' })),
  ];
  world.edit(all);
  for (let region = 0; region < regionCount; region++) await completeSweep(world, region);
  await world.run(2 * timing.pollMs);
  for (const { gateways } of world.regions)
    for (const gateway of gateways) for (const ref of universe) void gateway.ask(ref);
  await world.clock.advance(20);
}

async function drain(world: World): Promise<void> {
  await world.calm();
  // Leases run out, loops that failed come back from their longest waits.
  await world.run(2_500);
  for (let waited = 0; !world.atRest && waited < 8; waited++) await world.run(1_000);
  world.look();
  if (!world.atRest) world.violations.push('nothing forgets: outbox and queues do not come to rest');
  if (world.losses.size > 0) return;
  await world.run(500);
  await compare(world, 'nothing forgets (no sweep)');
}

async function sweepAll(world: World): Promise<void> {
  for (let region = 0; region < regionCount; region++) await completeSweep(world, region);
  await world.run(2_500);
  world.look();
  await compare(world, 'law 3');
}

async function completeSweep(world: World, region: number): Promise<void> {
  const ended: { error?: unknown }[] = [];
  void world.publishers[region % world.publishers.length]!.sweep(region).then((error) =>
    ended.push({ error }),
  );
  for (let waited = 0; ended.length === 0 && waited < 200; waited++) await world.run(20);
  if (ended.length === 0) world.violations.push(`law 3: a sweep of region ${region} does not end`);
  else if (ended[0]!.error)
    world.violations.push(`law 3: a sweep of region ${region} fails: ${ended[0]!.error}`);
}

/** Changes one after the other, while one gateway of each region has just started and reads what is about to change. */
async function freshness(world: World, seed: number): Promise<void> {
  const dice = new Dice(seed + 2_000_000);
  for (let round = 0; round < 3 && world.violations.length === 0; round++) {
    for (const { gateways } of world.regions) {
      gateways[0]!.restart();
      for (const ref of universe) void gateways[1]!.ask(ref);
    }
    await world.run(2 * timing.pollMs);
    const parkedBefore = world.faults.parked.length;
    for (const [n, { gateways }] of world.regions.entries()) {
      const process = gatewayName(n, 0);
      world.faults.arm({ process, place: 'read', when: 'after', does: 'freeze', times: 1 });
      for (const ref of universe) void gateways[0]!.ask(ref);
    }
    await world.clock.advance(5);
    for (let n = 0; n < 4; n++) world.edit([anEdit(dice)]);
    await world.run(timing.freshMs / 2);
    world.faults.clear();
    while (world.faults.parked.length > parkedBefore) world.faults.resume(parkedBefore);
    await world.run(timing.freshMs / 2);
    world.look();
    await compare(world, 'law 6');
  }
}

async function compare(world: World, law: string): Promise<void> {
  const found = await differences(world);
  world.violations.push(...found.map((what) => `${law}: ${what}`));
}

/** Drops steps for as long as what is left breaks the same law. */
export async function shrink(
  seed: number,
  steps: readonly Step[],
  plant: Plant | undefined,
  runsMax = 400,
): Promise<Step[]> {
  const law = lawOf((await simulate(seed, steps, { plant })).violation);
  let shortest = [...steps];
  let runs = 0;
  for (let size = Math.ceil(shortest.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < shortest.length && runs < runsMax; ) {
      const fewer = shortest.toSpliced(at, size);
      runs += 1;
      if (lawOf((await simulate(seed, fewer, { plant })).violation) === law) shortest = fewer;
      else at += size;
    }
  }
  return shortest;
}

export function lawOf(violation: string | undefined): string | undefined {
  return violation?.split(':')[0];
}

/** A violation as it is told: the seed, how to see it again, and the shortest trace. */
export async function report(seed: number, steps: readonly Step[], plant?: Plant): Promise<string> {
  const shortest = await shrink(seed, steps, plant);
  const { violation, trace } = await simulate(seed, shortest, { plant, trace: true });
  const again = `npm run sim -- --seed ${seed} --steps ${steps.length}`;
  return [
    `seed ${seed}: ${violation}`,
    `again: ${again}`,
    `${shortest.length} of ${steps.length} steps are enough:`,
    ...trace,
  ].join('\n');
}
