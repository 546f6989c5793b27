import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../contexts/base/clock.ts';
import { GuessLimits } from '../../../hub/auth/guess-limits.ts';
import { trimGuesses } from '../../../hub/db/guesses.ts';
import { startHub, type TestHub } from '../support/hub.ts';
import * as make from '../support/things.ts';
import { goodPassword, Visitor } from '../support/visitor.ts';

/** Two hubs over one database, as behind a load balancer, and what guesses leave in it. */
let hub: TestHub;
let other: TestHub;
let sql: postgres.Sql;
let aheadMs = 0;
const clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
const windowMs = 15 * 60_000;

beforeAll(async () => {
  const environment = { SPOKECAST_FAILED_LOGINS_MAX: '5', SPOKECAST_PROXY_HOPS: '1' };
  hub = await startHub({ environment, clock });
  other = await startHub({ environment, clock, databaseUrl: hub.databaseUrl });
  sql = postgres(hub.databaseUrl, { max: 1 });
});
beforeEach(() => sql`delete from guesses`);
afterAll(async () => {
  await sql.end();
  await other[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
});

const rows = async () => (await sql`select count(*)::int from guesses`)[0]!.count as number;

describe('signing in at two hubs', () => {
  const signIn = (at: TestHub, address: string, email: string, password: string) =>
    new Visitor(at.url).submit('/login', { email, password }, { 'x-forwarded-for': address });
  const statuses = async (answers: Promise<{ status: number }>[]) =>
    (await Promise.all(answers)).map(({ status }) => status).toSorted();

  test('has one limit, of an account from many addresses and of an address, also where many try at once', async () => {
    const guesses = (count: number, of: (number: number) => [address: string, email: string]) =>
      statuses(
        Array.from({ length: count }, (_, number) =>
          signIn([hub, other][number % 2]!, ...of(number), 'a wrong password'),
        ),
      );
    const five = [...Array(5).fill(401), ...Array(5).fill(429)];
    expect(await guesses(10, (number) => [`10.0.0.${number}`, 'ann@example.com'])).toEqual(five);
    expect(await guesses(10, (number) => ['10.1.0.1', `nobody-${number}@example.com`])).toEqual(five);
    expect(await guesses(1, () => ['10.2.0.1', 'somebody@example.com'])).toEqual([401]);
  });

  test('knows at both the place where a password has worked, which others do not close', async () => {
    const { email, link } = await make.user(hub.owner, [{ tenantId: null, role: 'viewer' }]);
    await new Visitor(hub.url).follow(link, { name: 'Ann', password: goodPassword });
    expect((await signIn(hub, '10.3.0.1', email, goodPassword)).status).toBe(303);
    for (let i = 0; i < 6; i++) await signIn(hub, `10.3.1.${i}`, email, 'a wrong password');
    expect((await signIn(other, '10.3.2.1', email, goodPassword)).status).toBe(429);
    expect((await signIn(other, '10.3.0.1', email, goodPassword)).status).toBe(303);
  });
});

describe('guesses', () => {
  const limits = (more = {}) =>
    new GuessLimits({ db: hub.hub.services.database.db, clock, windowMs, failuresMax: 3, ...more });
  const outcomes = async (at: GuessLimits, address: string, account: string, times: number) => {
    const all: string[] = [];
    for (let i = 0; i < times; i++) all.push((await at.guess(address, account)).outcome);
    return all;
  };

  test('are forgiven when the window is over', async () => {
    await outcomes(limits(), 'here', 'ann', 3);
    const refused = await limits().guess('here', 'ann');
    expect(refused).toMatchObject({ outcome: 'limited' });
    expect((refused as { waitMs: number }).waitMs).toBeLessThanOrEqual(windowMs);
    aheadMs += windowMs + 1;
    expect(await outcomes(limits(), 'here', 'ann', 4)).toEqual(['counted', 'counted', 'counted', 'limited']);
  });

  test('of which nothing was found out, or that were right, are no failures, where it has worked and where not', async () => {
    for (const isKnown of [false, true]) {
      for (let i = 0; i < 5; i++) {
        const guess = await limits().guess('here', 'ann');
        if (guess.outcome === 'counted') await guess.untold();
        expect(guess.outcome).toBe('counted');
      }
      for (let i = 0; isKnown && i < 5; i++) {
        const guess = await limits().guess('here', 'ann');
        if (guess.outcome === 'counted') await guess.worked();
        expect(guess.outcome).toBe('counted');
      }
      expect(await outcomes(limits(), 'here', 'ann', 4)).toEqual([
        'counted',
        'counted',
        'counted',
        'limited',
      ]);
      await sql`delete from guesses`;
      const first = await limits().guess('here', 'ann');
      if (first.outcome === 'counted') await first.worked();
    }
  });

  test('that are refused count for nobody: an address that is full closes no account', async () => {
    await outcomes(limits(), 'here', 'ann', 3);
    await Promise.all(Array.from({ length: 10 }, () => limits().guess('here', 'ben')));
    expect(await outcomes(limits(), 'there', 'ben', 3)).toEqual(['counted', 'counted', 'counted']);
  });

  test('[law 8] with made-up names leave as many rows as an address may guess, and a bound of rows from many', async () => {
    for (let i = 0; i < 20; i++) await limits().guess('here', `name-${i}`);
    expect(await rows()).toBe(4);
    const bounded = limits({ rowsMax: 10, looksEvery: 5 });
    const known = await bounded.guess('home', 'ann');
    if (known.outcome === 'counted') await known.worked();
    for (let i = 0; i < 50; i++) await bounded.guess(`from-${i}`, `name-${i}`);
    expect(await rows()).toBeLessThanOrEqual(1 + 10 + 2 * 5);
    expect(await sql`select from guesses where known_until is not null`).toHaveLength(1);
  });

  test('are removed when they count no more, places that are known later', async () => {
    const guess = await limits().guess('home', 'ann');
    if (guess.outcome === 'counted') await guess.worked();
    const { db } = hub.hub.services.database;
    await trimGuesses(db, clock.now());
    expect(await rows()).toBe(3);
    await trimGuesses(db, clock.now() + windowMs);
    expect(await rows()).toBe(1);
    await trimGuesses(db, clock.now() + 31 * 86_400_000);
    expect(await rows()).toBe(0);
  });

  test('hold neither addresses nor what was typed for one', async () => {
    await limits().guess('10.9.9.9', 'typed-by-mistake');
    expect(JSON.stringify(await sql`select * from guesses`)).not.toMatch(/10\.9\.9\.9|typed/);
  });
});
