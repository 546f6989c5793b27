import type { Clock } from '../../contexts/base/clock.ts';
import { type ContextRef, refText } from '../../contexts/kinds/index.ts';
import type { Lookup } from '../../spoke/cache/outcomes.ts';
import { universe } from './edits.ts';
import type { SimulatedGateway } from './gateway.ts';
import type { SimulatedRegion } from './region.ts';
import { timing } from './timing.ts';
import type { Truth } from './truth.ts';

/** What {@link differences} compares. Time moves while it waits for answers. */
export interface Compared {
  readonly truth: Truth;
  readonly clock: Clock & { advance(ms: number): Promise<void> };
  readonly regions: readonly { region: SimulatedRegion; gateways: readonly SimulatedGateway[] }[];
}

/** What differs from the truth in stores, in the memory of gateways, and in what agents are told, as sentences. */
export async function differences(world: Compared): Promise<string[]> {
  const found: string[] = [];
  for (const { region, gateways } of world.regions) {
    const { items } = await region.store.read(universe);
    for (const ref of universe) {
      const name = refText(ref);
      const body = world.truth.body(region.id, ref);
      const item = items.get(name);
      const held = item?.state === 'context' ? item.envelope : undefined;
      const same =
        body === undefined
          ? item === undefined || held?.bodyText === null
          : held?.bodyText != null && sameContent(JSON.parse(held.bodyText), body);
      if (!same) {
        const is = held?.bodyText ?? item?.state ?? 'absent';
        found.push(`${name} in the store of ${region.id} is ${is}, not ${JSON.stringify(body)}`);
        continue;
      }
      for (const gateway of gateways) {
        const told = await answer(world, gateway, ref);
        const right =
          body === undefined
            ? told?.state === 'absent'
            : told?.state === 'present' && told.version === held?.version;
        if (!right)
          found.push(`${gateway.name} answers for ${name}: ${JSON.stringify(told)}, not ${held?.version}`);
      }
    }
    found.push(...unknownOf(region), ...(await wrongDecisions(world, region, gateways)));
  }
  return found;
}

function unknownOf({ id, table }: SimulatedRegion): string[] {
  return [...table.contexts]
    .filter(([name, raw]) => raw.bodyText !== null && !universe.some((ref) => refText(ref) === name))
    .map(([name]) => `${name} is in the store of ${id} and nobody knows it`);
}

/**
 * One answer that is `not-whole` is let pass: a gateway that pinned the table while it was made anew learns so by
 * its first read, and looks at the table again.
 */
async function answer(world: Compared, gateway: SimulatedGateway, ref: ContextRef) {
  const first = await soon<Lookup<object>>(world, gateway.ask(ref));
  if (first?.state !== 'failed' || first.outcome !== 'not-whole') return first;
  await world.clock.advance(2 * timing.pollMs);
  return soon<Lookup<object>>(world, gateway.ask(ref));
}

async function wrongDecisions(
  world: Compared,
  region: SimulatedRegion,
  gateways: readonly SimulatedGateway[],
): Promise<string[]> {
  const found: string[] = [];
  for (const [id, { secret }] of world.truth.keys) {
    const wanted = world.truth.decision(region.id, id, world.clock.now());
    for (const gateway of gateways) {
      const told = await soon(world, gateway.authenticate(secret));
      if (told !== wanted) found.push(`${gateway.name} tells the bearer of ${id} ${told}, not ${wanted}`);
    }
  }
  return found;
}

/** What it resolves with, if it does so within a moment. */
async function soon<Result>(
  { clock }: Compared,
  asked: Result | Promise<Result>,
): Promise<Result | undefined> {
  let answer: Result | undefined;
  void Promise.resolve(asked).then((result) => {
    answer = result;
  });
  for (let turn = 0; answer === undefined && turn < 5; turn++) await Promise.resolve();
  for (let waited = 0; answer === undefined && waited < 10; waited++) await clock.advance(2);
  return answer;
}

function sameContent(held: Record<string, unknown>, wanted: Record<string, unknown>): boolean {
  const names = new Set([...Object.keys(held), ...Object.keys(wanted)]);
  return [...names].every((name) => JSON.stringify(held[name]) === JSON.stringify(wanted[name]));
}
