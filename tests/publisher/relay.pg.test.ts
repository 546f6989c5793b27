import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { holdersOf } from '../../hub/db/builders/index.ts';
import { cascadeDeparture, cascadePlacements, regionsHolding } from '../../hub/db/cascade.ts';
import {
  claimChanges,
  completeChanges,
  releaseChanges,
  renewChanges,
  type Takes,
} from '../../hub/db/outbox.ts';
import { Relay } from '../../publisher/relay.ts';
import { begun, HubDatabase } from '../hub/db/hub-database.ts';

let hub: HubDatabase;
const relays: Relay[] = [];
beforeAll(async () => {
  hub = await HubDatabase.create();
  await hub.regions('r1', 'r2');
});
afterEach(async () => {
  await hub.endSessions();
  await Promise.all(relays.splice(0).map((relay) => relay[Symbol.asyncDispose]()));
});
afterAll(() => hub[Symbol.asyncDispose]());

/** A relay on the real outbox; its jobs end in `named`, as `region key`. */
function start(takes: Takes, named: string[], errors: unknown[] = []): Relay {
  const { db } = hub;
  const relay = new Relay({
    takes,
    clock: systemClock,
    claimant: `${takes}-${relays.length}`,
    leaseMs: 1000,
    pollMs: 50,
    claimMax: 10,
    ports: {
      claim: (claim) => claimChanges(db, claim),
      holding: (clusterIds) => regionsHolding(db, clusterIds),
      cascade: (placed, onProgress) =>
        cascadePlacements(db, placed, { chunk: 2, lockTimeoutMs: 300, onProgress }),
      arrival: async () => {},
      depart: ({ clusterId }) => cascadeDeparture(db, clusterId, { tightens: true }),
      holders: (refs) => holdersOf(db, refs),
      handOver: () => 'left',
      enqueue: async (region, jobs) => {
        for (const job of jobs) named.push(...job.refs.map(([, key]) => `${region} ${key}`));
      },
      complete: (claimant, ids) => completeChanges(db, claimant, ids),
      release: (claimant, ids) => releaseChanges(db, claimant, ids),
      renew: (claim, ids) => renewChanges(db, claim, ids),
    },
    onRelayed: () => {},
    onError: (error) => errors.push(error),
  });
  relays.push(relay);
  relay.start();
  return relay;
}

test('[law 6] a session forgotten in psql holds up its own cluster and nobody else', async () => {
  await hub.cluster('vci_1', 'ten_1', 'r1');
  await hub.cluster('vci_2', 'ten_2', 'r1');
  for (const key of ['aki_held', 'aki_1']) await hub.key(key, 'vci_1');
  await hub.key('aki_2', 'vci_2');
  await hub.emptyOutbox();
  const forgotten = await begun(hub);
  await forgotten`update agent_keys set permissions = '{x}' where id = 'aki_held'`;
  await hub.place('vci_1', 'r2'); // its cascade wants the lock that is held
  await hub.place('vci_2', 'r2');

  const [named, errors]: [string[], unknown[]] = [[], []];
  start('all-else', named);
  start('placements', named, errors);
  await vi.waitFor(() => expect(errors.length, 'the cascade ran into the lock').toBeGreaterThan(0), 30_000);
  await hub.sql`delete from agent_keys where id = 'aki_1'`;
  await vi.waitFor(() => expect(named).toContain('r1 aki_1'), { timeout: 30_000, interval: 5 });
  await vi.waitFor(() => expect(named).toContain('r2 aki_2'), 30_000);
  expect(named).not.toContain('r2 aki_held');

  await forgotten`commit`;
  forgotten.release();
  await vi.waitFor(() => expect(named).toContain('r2 aki_held'), 30_000);
  await vi.waitFor(async () => expect(await hub.outbox()).toEqual([]), 30_000);
});

test('[law 1] several relays at once: every context gets to every region that holds it, and the outbox is emptied', async () => {
  const named: string[] = [];
  for (let n = 0; n < 3; n++) {
    start('all-else', named);
    start('placements', named);
  }
  const expected: string[] = [];
  for (let c = 0; c < 6; c++) {
    await hub.cluster(`vci_m${c}`, 'ten_m', 'r1');
    for (let k = 0; k < 5; k++) await hub.key(`aki_m${c}_${k}`, `vci_m${c}`);
    await hub.place(`vci_m${c}`, 'r2');
    for (const region of ['r1', 'r2']) {
      expected.push(`${region} ten_m`, `${region} vci_m${c}`);
      for (let k = 0; k < 5; k++) expected.push(`${region} aki_m${c}_${k}`);
    }
  }
  await vi.waitFor(async () => expect(await hub.outbox()).toEqual([]), 30_000);
  expect([...new Set(expected)].filter((name) => !named.includes(name))).toEqual([]);
});
