import { describe, expect, test } from 'vitest';
import type { FreezeMode } from '../../hub/db/guard-schema.ts';
import type { GuardPort, InvalidContext } from '../../publisher/guard.ts';
import { brokenBody, clusterBody, clusterOf, keyBody, keyOf, tenantBody, tenantOf } from './fake-hub.ts';
import { regionOfOne } from './region-of-one.ts';

/** A budget in memory: so many losses may happen, ever. It remembers what it was asked. */
class MemoryGuard implements GuardPort {
  readonly windowMs = 600_000;
  left: number;
  mode: FreezeMode | undefined;
  failing = false;
  readonly claimed: string[] = [];
  readonly invalid: InvalidContext[] = [];
  onClaim: () => void = () => {};

  constructor(left: number) {
    this.left = left;
  }

  async claim(kind: string, losses: readonly { key: string; replaced: string }[]) {
    this.onClaim();
    if (this.failing) throw new Error('the database does not answer');
    const fresh = losses.filter((loss) => !this.claimed.includes(`${kind}/${loss.key} ${loss.replaced}`));
    if (fresh.length > this.left)
      return new Map(fresh.map(({ key }) => [key, { reason: 'budget' as const, detail: 'too many' }]));
    this.left -= fresh.length;
    this.claimed.push(...fresh.map((loss) => `${kind}/${loss.key} ${loss.replaced}`));
    return new Map();
  }
  async noteInvalid(found: readonly InvalidContext[]) {
    this.invalid.push(...found);
  }
  freeze = () => this.mode;
}

async function guarded(left: number) {
  const guard = new MemoryGuard(left);
  return { guard, region: await regionOfOne({ guard }) };
}

describe('[law 9] the budget, in the publish step', () => {
  test('is asked for losses only: what loosens, what is meant, and what was lost already costs no read', async () => {
    const { guard, region } = await guarded(0);
    region.hub.set(keyOf('a'), keyBody());
    region.hub.set(keyOf('b'), keyBody(), true);
    await region.publish(keyOf('a'), keyOf('b'));
    region.store.resetCounts();
    region.hub.set(keyOf('a'), { ...keyBody(), permissions: ['read'] });
    region.hub.set(keyOf('b'), null, true);
    const { outcomes } = await region.publish(keyOf('a'), keyOf('b'));
    expect([...outcomes.values()]).toEqual(['written', 'written']);
    expect(region.store.count('read')).toBe(0);
    // Deleted already, denied already, never there: nobody is lost.
    region.hub.set(keyOf('b'), null);
    region.hub.set(keyOf('c'), null);
    region.hub.set(keyOf('d'), keyBody('disabled'));
    await region.publish(keyOf('b'), keyOf('c'), keyOf('d'));
    region.hub.set(keyOf('d'), null);
    expect([...(await region.publish(keyOf('d'))).outcomes.values()]).toEqual(['written']);
    expect(guard.claimed).toEqual([]);
  });

  test('holds tombstones and denials beyond it with the last good state in place; the rest of the job goes on', async () => {
    const { region } = await guarded(1);
    for (const key of ['a', 'b', 'c']) region.hub.set(keyOf(key), keyBody());
    region.hub.set(tenantOf('t'), tenantBody());
    await region.publish(keyOf('a'), keyOf('b'), keyOf('c'), tenantOf('t'));
    const before = region.stored();
    region.hub.remove(keyOf('a'));
    region.hub.set(keyOf('b'), keyBody('disabled'));
    region.hub.set(clusterOf('new'), clusterBody());
    region.hub.set(tenantOf('t'), { name: 'T', status: 'suspended' }); // of its own kind, and within its budget
    region.clearFeed();
    const { outcomes } = await region.publish(keyOf('a'), keyOf('b'), clusterOf('new'), tenantOf('t'));
    expect(Object.fromEntries(outcomes)).toEqual({
      ...{ 'agent-key/a': 'held', 'agent-key/b': 'held' },
      ...{ 'cluster/new': 'written', 'tenant/t': 'written' },
    });
    expect(region.stored()).toMatchObject({
      'agent-key/a': before['agent-key/a'],
      'agent-key/b': before['agent-key/b'],
    });
    expect(region.feed().flat()).toEqual(['tenant/t', 'cluster/new']);
  });

  test('is asked for an expiry that is set or drawn near, as if the keys ended at once', async () => {
    const { guard, region } = await guarded(0);
    const endingIn = (ms: number) => ({ ...keyBody(), expiresAtMs: region.clock.now() + ms });
    const minute = 60_000;
    const names = ['never', 'later', 'soon', 'meant', 'far', 'longer', 'as-before'];
    region.hub.set(keyOf('never'), keyBody());
    region.hub.set(keyOf('later'), endingIn(1_000 * minute));
    for (const key of ['meant', 'far']) region.hub.set(keyOf(key), keyBody());
    for (const key of ['soon', 'longer', 'as-before']) region.hub.set(keyOf(key), endingIn(5 * minute));
    await region.publish(...names.map(keyOf));
    expect(guard.claimed, 'a key that was never there is no loss').toEqual([]);
    region.hub.set(keyOf('never'), endingIn(minute));
    region.hub.set(keyOf('later'), endingIn(10 * minute));
    region.hub.set(keyOf('soon'), endingIn(minute));
    region.hub.set(keyOf('meant'), endingIn(minute), true);
    region.hub.set(keyOf('far'), endingIn(11 * minute));
    region.hub.set(keyOf('longer'), endingIn(6 * minute));
    region.hub.set(keyOf('as-before'), { ...endingIn(5 * minute), permissions: ['read'] });
    const told = Object.fromEntries((await region.publish(...names.map(keyOf))).outcomes);
    expect(told).toEqual({
      ...{ 'agent-key/never': 'held', 'agent-key/later': 'held', 'agent-key/soon': 'held' },
      ...{ 'agent-key/meant': 'written', 'agent-key/far': 'written' },
      ...{ 'agent-key/longer': 'written', 'agent-key/as-before': 'written' },
    });
    await region.clock.advance(2 * minute); // and when its time has come, it is the same loss
    expect(Object.fromEntries((await region.publish(keyOf('never'))).outcomes)).toEqual({
      'agent-key/never': 'held',
    });
  });

  test('is claimed before the put: what fails afterwards is claimed no second time', async () => {
    const { guard, region } = await guarded(1);
    region.hub.set(keyOf('a'), keyBody());
    await region.publish(keyOf('a'));
    region.hub.remove(keyOf('a'));
    region.store.failNext('put');
    await expect(region.publish(keyOf('a'))).rejects.toThrow();
    expect((await region.publish(keyOf('a'))).outcomes.get('agent-key/a')).toBe('written');
    expect(guard.claimed).toHaveLength(1);
  });

  test('that cannot be asked holds up nothing else, and is asked again', async () => {
    const { guard, region } = await guarded(9);
    region.hub.set(keyOf('a'), keyBody());
    await region.publish(keyOf('a'));
    region.hub.remove(keyOf('a'));
    region.hub.set(keyOf('b'), keyBody());
    guard.failing = true;
    await expect(region.publish(keyOf('a'), keyOf('b'))).rejects.toThrow(/does not answer/);
    expect(region.stored()).toMatchObject({ 'agent-key/a': '1', 'agent-key/b': '3' });
    guard.failing = false;
    await region.publish(keyOf('a'), keyOf('b'));
    expect(region.stored()).toMatchObject({ 'agent-key/a': '-2' });
  });

  test('in sweeps: what is held is counted as held and not as drift, draws no revision, and is written nowhere', async () => {
    const { guard, region } = await guarded(0);
    for (const key of ['a', 'b']) region.hub.set(keyOf(key), keyBody());
    await region.publish(keyOf('a'), keyOf('b'));
    await region.sweep();
    region.hub.remove(keyOf('a'));
    region.hub.alter(keyOf('b'), null); // gone under the same revision: its repair would draw a fresh one
    const drawn = region.hub.drawn;
    region.writes();
    for (let i = 0; i < 2; i++) expect(await region.sweep()).toMatchObject({ held: 2 });
    expect(await region.sweep()).toEqual({ held: 2, scanned: 2 });
    expect(region.writes()).toBe(0);
    expect(region.hub.drawn).toBe(drawn);
    guard.left = 2;
    expect(await region.sweep()).toMatchObject({ stale: 1, orphan: 1, written: 2 });
    expect(await region.sweep()).not.toHaveProperty('held');
  });

  test('in sweeps: orphans that the hub never knew are losses as well', async () => {
    const { guard, region } = await guarded(0);
    region.hub.set(keyOf('a'), keyBody());
    await region.publish(keyOf('a'));
    region.hub.heads.clear();
    expect(await region.sweep()).toMatchObject({ held: 1 });
    expect(region.stored()).toEqual({ 'agent-key/a': '1' });
    guard.left = 1;
    expect(await region.sweep()).toMatchObject({ orphan: 1, written: 1 });
    expect(region.stored()['agent-key/a']).toMatch(/^-/);
  });

  test('counts what the region holds or is to hold, for the share', async () => {
    const { region } = await guarded(0);
    for (const key of ['a', 'b', 'c', 'd']) region.hub.set(keyOf(key), keyBody());
    await region.publish(keyOf('a'), keyOf('b'));
    region.hub.remove(keyOf('a')); // held, so still there
    region.hub.remove(keyOf('d')); // never there
    const sweep = region.newSweep();
    await Promise.all([sweep.run(new AbortController().signal), region.clock.advance(0)]);
    expect(sweep.contexts.get('agent-key')).toBe(3);
    expect(sweep.contexts.get('tenant')).toBe(0);
  });
});

describe('a freeze', () => {
  const changed = async (mode: FreezeMode) => {
    const { guard, region } = await guarded(9);
    for (const key of ['a', 'b', 'c']) region.hub.set(keyOf(key), keyBody());
    await region.publish(keyOf('a'), keyOf('b'), keyOf('c'));
    region.hub.remove(keyOf('a'));
    region.hub.set(keyOf('b'), keyBody('disabled'));
    region.hub.set(keyOf('c'), { ...keyBody(), permissions: ['read'] });
    guard.mode = mode;
    region.writes();
    return { guard, region };
  };

  test('lets through what is deleted and what denies, and nothing else', async () => {
    const { region } = await changed('loosening');
    const { outcomes } = await region.publish(keyOf('a'), keyOf('b'), keyOf('c'));
    expect([...outcomes.values()].sort()).toEqual(['frozen', 'written', 'written']);
    expect(outcomes.get('agent-key/c')).toBe('frozen');
  });

  test('of everything: builds nothing, reads nothing, writes nothing', async () => {
    const { region } = await changed('all');
    region.hub.asked.length = 0;
    const { outcomes } = await region.publish(keyOf('a'), keyOf('b'), keyOf('c'));
    expect([...outcomes.values()]).toEqual(['frozen', 'frozen', 'frozen']);
    expect([region.writes(), region.hub.asked]).toEqual([0, []]);
    await expect(region.sweep()).rejects.toMatchObject({ code: 'REGION_FROZEN' });
    expect(region.stored()).toEqual({ 'agent-key/a': '1', 'agent-key/b': '2', 'agent-key/c': '3' });
  });

  test('[law 9] that comes while a job is at work stops it before its next put, revocations too', async () => {
    const { guard, region } = await guarded(9);
    for (const key of ['a', 'b']) region.hub.set(keyOf(key), keyBody());
    await region.publish(keyOf('a'), keyOf('b'));
    region.hub.remove(keyOf('a'));
    region.hub.set(keyOf('b'), { ...keyBody(), permissions: ['read'] });
    guard.onClaim = () => {
      guard.mode = 'all';
    };
    const { outcomes } = await region.publish(keyOf('a'), keyOf('b'));
    expect([...outcomes.values()]).toEqual(['frozen', 'frozen']);
    expect(region.stored()).toEqual({ 'agent-key/a': '1', 'agent-key/b': '2' });
  });

  test('leaves a table that lacks something not whole: its absence must deny nobody', async () => {
    const guard = new MemoryGuard(9);
    const region = await regionOfOne({ guard, whole: false });
    region.hub.set(keyOf('a'), keyBody());
    guard.mode = 'loosening';
    expect(await region.sweep()).toMatchObject({ frozen: 1 });
    const whole = async () => {
      const found = await region.memory.readIdentity();
      return found.outcome === 'identity' && found.identity.whole;
    };
    expect(await whole()).toBe(false);
    guard.mode = undefined;
    expect(await region.sweep()).toMatchObject({ missing: 1, written: 1 });
    expect(await whole()).toBe(true);
  });
});

test('what is invalid is noted, by a refresh and by a sweep', async () => {
  const { guard, region } = await guarded(9);
  region.hub.set(tenantOf('t'), brokenBody);
  await region.publish(tenantOf('t'));
  const noted = { kind: 'tenant', key: 't', revision: 1, reason: expect.stringContaining('name') };
  expect(guard.invalid).toEqual([noted]);
  await region.sweep();
  expect(guard.invalid.slice(1)).toContainEqual(noted);
});
