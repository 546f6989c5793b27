import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { open } from '../../../contexts/envelope.ts';
import { buildContexts, holdersOf } from '../../../hub/db/builders/index.ts';
import { beat } from '../../../hub/db/heartbeats.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { HubDatabase } from './hub-database.ts';

let hub: HubDatabase;
beforeAll(async () => {
  hub = await HubDatabase.create();
  await hub.regions('r1', 'r2');
});
beforeEach(async () => {
  await hub.sql`delete from heartbeats`;
  await hub.emptyOutbox();
});
afterAll(() => hub[Symbol.asyncDispose]());

const row = (region: string) => ({
  ...{ kind: 'heartbeat', key: region, regions: [region] },
  ...{ cause: 'row', tightens: false },
});

describe('a heartbeat', () => {
  test('[law 1] is captured when it is made, changed and deleted, for its own region alone', async () => {
    const statements = [
      `insert into heartbeats (region) values ('r1')`,
      `update heartbeats set beat_at = clock_timestamp()`,
      `delete from heartbeats`,
    ];
    let revision = (await hub.head('heartbeat', 'r1'))?.revision ?? 0;
    for (const statement of statements) {
      expect(await hub.captured(() => hub.sql.unsafe(statement)), statement).toEqual([row('r1')]);
      const head = (await hub.head('heartbeat', 'r1'))!;
      expect(head.revision).toBeGreaterThan(revision);
      expect(head.deleted).toBe(statement.startsWith('delete'));
      ({ revision } = head);
    }
  });

  test('is built for its own region and for no other', async () => {
    await beat(hub.db, ['r1', 'r2'], 1000);
    const [{ at }] = await hub.sql<[{ at: Date }]>`select beat_at as at from heartbeats where region = 'r1'`;
    const ref = { kind: 'heartbeat', key: 'r1' } as const;
    const [own] = await buildContexts(hub.db, 'r1', [ref], new VirtualClock());
    expect(own?.state === 'live' && open(own.envelope)).toEqual({
      outcome: 'live',
      body: { atMs: at.getTime() },
    });
    const [other] = await buildContexts(hub.db, 'r2', [ref], new VirtualClock());
    expect(other?.state).toBe('gone');
    expect(await holdersOf(hub.db, [ref])).toEqual(new Map([['heartbeat/r1', ['r1']]]));
  });

  test('is made for regions that exist, and again only when it is due, whoever asks', async () => {
    expect(await hub.captured(() => beat(hub.db, ['r2', 'r1', 'nowhere'], 60_000))).toEqual([
      row('r1'),
      row('r2'),
    ]);
    expect(await hub.captured(() => beat(hub.db, ['r1', 'r2'], 60_000)), 'too early').toEqual([]);
    await hub.sql`update heartbeats set beat_at = clock_timestamp() - interval '55 s' where region = 'r2'`;
    await hub.emptyOutbox();
    expect(await hub.captured(() => beat(hub.db, ['r1', 'r2'], 60_000)), 'r2 is due').toEqual([row('r2')]);
  });

  test('goes with its region', async () => {
    await hub.regions('r9');
    await beat(hub.db, ['r9'], 1000);
    await hub.emptyOutbox();
    expect(await hub.captured(() => hub.sql`delete from regions where id = 'r9'`)).toEqual([row('r9')]);
    expect((await hub.head('heartbeat', 'r9'))?.deleted).toBe(true);
  });
});
