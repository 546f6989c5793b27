import { describe, expect, test } from 'vitest';
import { createLogger } from '../../../contexts/base/log.ts';
import { LocalRateLimiter } from '../../../contexts/base/rate-limit/limiter.ts';
import { SharedRateLimiter } from '../../../spoke/rate-limit/shared.ts';
import { type Order, WorkerGroup } from '../../../spoke/workers/group.ts';
import { GroupLink } from '../../../spoke/workers/group-link.ts';
import type { WorkerEnd } from '../../../spoke/workers/group-metrics.ts';
import type { ListeningSocket } from '../../../spoke/workers/listening-socket.ts';
import type { FromGroup, WorkerState } from '../../../spoke/workers/messages.ts';
import type { WorkerEvents } from '../../../spoke/workers/worker-process.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

/** A worker as its group sees it: what it was told, and what the test lets it say. */
class Puppet {
  readonly order: Order;
  readonly heard: FromGroup[] = [];
  readonly #events: WorkerEvents;
  /** Where a test has one, it hears what comes, unless it is frozen: then what comes waits. */
  #hear: ((message: FromGroup) => void) | undefined;
  readonly #unheard: FromGroup[] = [];
  #groupHangs = false;

  constructor(order: Order, events: WorkerEvents) {
    this.order = order;
    this.#events = events;
  }

  get wasLetIn(): boolean {
    return this.heard.some(({ is }) => is === 'listen');
  }

  get isRetiring(): boolean {
    return this.heard.some(({ is }) => is === 'retire');
  }

  send(message: FromGroup): void {
    this.heard.push(message);
    if (this.#groupHangs) this.#unheard.push(message);
    else this.#hear?.(message);
  }

  /** The group's answers do not arrive until it goes on. */
  set groupHangs(hangs: boolean) {
    this.#groupHangs = hangs;
    if (!hangs) for (const message of this.#unheard.splice(0)) this.#hear?.(message);
  }

  /** What really is at a worker's end of the channel. */
  link(clock: VirtualClock): GroupLink {
    return new GroupLink({
      ...{ clock, tellsHeld: false },
      channel: {
        send: async (message) => this.#events.onMessage(message),
        on: (hear) => {
          this.#hear = (message) => hear(message, undefined);
        },
        onClosed: () => {},
      },
      onError: (error) => {
        throw error;
      },
    });
  }

  is(number: number | undefined, state: Partial<WorkerState> = {}): this {
    const position = number === undefined ? undefined : { incarnation: 'feed-1', number };
    const slot = this.order.snapshot === 'keep' ? '/slot-00' : undefined;
    const whole = { position, readiness: 'ready', cachedContexts: 1, answers: true, slot, ...state } as const;
    this.#events.onMessage({ is: 'state', state: whole });
    return this;
  }

  listens(): this {
    this.#events.onMessage({ is: 'listening', url: 'http://gateway' });
    return this;
  }

  holds(key: string): void {
    this.#events.onMessage({ is: 'holds', refs: [{ kind: 'agent-key', key }] });
  }

  ends(code: number | null = null): void {
    this.#events.onExit({ code, signal: code === null ? 'SIGKILL' : null });
  }
}

function groupOf(count: number, { keeps = false } = {}) {
  const clock = new VirtualClock();
  const puppets: Puppet[] = [];
  const ends: WorkerEnd[] = [];
  const group = new WorkerGroup({
    ...{ count, keeps, clock, log: createLogger({ service: 'gateway', level: 'silent' }) },
    socket: {} as ListeningSocket,
    limiter: new LocalRateLimiter({ clock, keysMax: 100 }),
    start(order, events) {
      const puppet = new Puppet(order, events);
      puppets.push(puppet);
      return { pid: order.number, send: (message) => puppet.send(message), kill: () => puppet.ends() };
    },
    onEnd: (how) => ends.push(how),
    scrape: async () => '',
    shutdownMs: 1_000,
  }).start();
  return { group, puppets, clock, ends };
}

/** Lets what was promised be done. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a group of workers', () => {
  test('lets the first in as it is, and others once they are ready and as far', () => {
    const { group, puppets } = groupOf(3);
    const [first, second, third] = puppets;
    first!.is(undefined, { readiness: 'not-ready' });
    expect(first!.wasLetIn).toBe(true);
    second!.is(undefined, { readiness: 'not-ready' });
    expect(second!.wasLetIn).toBe(false);
    first!.listens().is(10);
    second!.is(9);
    expect(second!.wasLetIn).toBe(false);
    second!.is(10);
    expect(second!.wasLetIn).toBe(true);
    third!.is(undefined, { readiness: 'degraded' }); // it answers from a snapshot
    expect(third!.wasLetIn).toBe(true);
    expect(group.position).toBeUndefined();
  });

  test('[law 6] is as far as the last of those that answer, from when one may', () => {
    const { group, puppets } = groupOf(2);
    const [first, second] = puppets;
    expect(group.position).toBeUndefined();
    first!.is(10).listens();
    second!.is(11).is(12);
    expect(group.position?.number).toBe(10); // let in and not listening yet: it may be by now
    second!.listens();
    first!.is(20);
    expect(group.position?.number).toBe(12);
    second!.is(undefined);
    expect(group.position).toBeUndefined();
    second!.is(15, { answers: false });
    expect(group.position?.number).toBe(20);
    second!.is(25, { position: { incarnation: 'feed-2', number: 1 } });
    expect(group.position).toBeUndefined();
  });

  test('[law 5] is never further than what is kept, also while nobody keeps it', async () => {
    const { group, puppets, clock } = groupOf(2, { keeps: true });
    const keeper = puppets[0]!.is(10).listens();
    const [, other] = puppets;
    expect(other!.order.snapshot).toEqual({ slot: '/slot-00' });
    other!.is(10).listens().is(30);
    keeper.ends();
    expect(group.position?.number).toBe(10);
    await clock.advance(1);
    await settled();
    const next = puppets[2]!;
    expect(next.order.snapshot).toBe('keep');
    next.is(9);
    expect(next.wasLetIn).toBe(false); // it has not caught up with what was told
    next.is(10).listens();
    expect(group.position?.number).toBe(10);
    next.is(30);
    expect(group.position?.number).toBe(30);
  });

  test('starts the others although the keeper cannot boot, and tells the keeper what they hold', async () => {
    const { puppets, clock } = groupOf(2, { keeps: true });
    puppets[0]!.ends();
    expect(puppets[1]!.order.snapshot).toEqual({ slot: undefined });
    await clock.advance(200);
    await settled();
    const keeper = puppets[2]!;
    puppets[1]!.holds('aki_1');
    expect(keeper.heard).toContainEqual({ is: 'hold', refs: [{ kind: 'agent-key', key: 'aki_1' }] });
    expect(puppets[1]!.heard).toEqual([]);
  });

  test('replaces one that served at once, and one that does not get that far with growing pauses', async () => {
    const { puppets, clock, ends } = groupOf(2);
    puppets[0]!.is(1).listens();
    puppets[1]!.is(1).listens().ends();
    await clock.advance(1);
    await settled();
    expect(puppets).toHaveLength(3);
    for (const waitMs of [200, 400, 800]) {
      puppets.at(-1)!.ends();
      const before = puppets.length;
      await clock.advance(waitMs - 1);
      await settled();
      expect(puppets).toHaveLength(before);
      await clock.advance(1);
      await settled();
      expect(puppets).toHaveLength(before + 1);
    }
    expect(ends).toEqual(['crashed', 'crashed', 'crashed', 'crashed']);
  });

  test('ends itself where a worker says that the configuration is wrong before any was ready', async () => {
    const { group, puppets } = groupOf(2);
    puppets[0]!.ends(78);
    expect(await group.ended).toBe(78);
  });

  test('a reload retires one only after its follower serves, and the keeper first of itself', async () => {
    const { group, puppets } = groupOf(2, { keeps: true });
    const keeper = puppets[0]!.is(1).listens();
    const other = puppets[1]!.is(1).listens();
    const reloaded = group.reload();
    await settled();
    const follower = puppets[2]!;
    expect([keeper.isRetiring, other.isRetiring]).toEqual([false, false]);
    follower.is(1).listens();
    await settled();
    expect([keeper.isRetiring, other.isRetiring]).toEqual([true, true]);
    expect(puppets).toHaveLength(3); // the next keeper waits for the files
    keeper.ends(0);
    await settled();
    puppets[3]!.is(1).listens();
    await reloaded;
    other.ends(0);
    expect(group.serving).toBe(2);
  });

  test('a reload whose first follower fails changes nothing', async () => {
    const { group, puppets, clock } = groupOf(2);
    for (const puppet of puppets) puppet.is(1).listens();
    const before = [...puppets];
    const reloaded = group.reload();
    await settled();
    puppets[2]!.ends(78);
    await reloaded;
    await clock.advance(60_000);
    await settled();
    expect(puppets).toHaveLength(3);
    expect(before.map(({ isRetiring }) => isRetiring)).toEqual([false, false]);
  });

  describe('counts a limited key', () => {
    const rate = { limit: 20, windowMs: 10_000 };

    function limited() {
      const { puppets, clock } = groupOf(2);
      let alone = 0;
      const workers = puppets.map((puppet) => {
        const group = puppet.link(clock);
        const onAlone = () => {
          alone += 1;
        };
        return {
          puppet,
          limiter: new SharedRateLimiter({ group, workers: 2, clock, keysMax: 100, onAlone }),
        };
      });
      const [one, other] = workers as [(typeof workers)[number], (typeof workers)[number]];
      const askAll = (times: number) =>
        Array.from({ length: times }, (_, n) => workers[n % 2]!.limiter.take('aki_1', rate));
      const grantedOf = async (asked: ReturnType<typeof askAll>) =>
        (await Promise.all(asked)).filter(({ outcome }) => outcome === 'within').length;
      return { clock, one, other, askAll, grantedOf, aloneTimes: () => alone };
    }

    test('for all workers together, and goes on where one was that is gone', async () => {
      const { clock, one, other, askAll, grantedOf, aloneTimes } = limited();
      expect(await grantedOf(askAll(60))).toBe(20);
      expect(await other.limiter.look('aki_1', rate)).toMatchObject({ outcome: 'exceeded', remaining: 0 });
      one.puppet.ends();
      await clock.advance(2_500);
      expect(await other.limiter.look('aki_1', rate)).toMatchObject({ remaining: 5 });
      expect(await grantedOf(askAll(60))).toBe(5);
      expect(await other.limiter.take('aki_2', rate)).toMatchObject({ rate, remaining: 19 });
      expect(aloneTimes()).toBe(0);
      expect(clock.pending).toBe(0);
    });

    test('in one message at a time, however many ask', async () => {
      const { one } = limited();
      one.puppet.groupHangs = true;
      const asked = Array.from({ length: 30 }, () => one.limiter.take('aki_1', rate));
      const answers = () => one.puppet.heard.filter(({ is }) => is === 'rated');
      expect(answers()).toHaveLength(1);
      one.puppet.groupHangs = false;
      await Promise.all(asked);
      expect(answers()).toHaveLength(2);
    });

    test('[law 8] in each worker alone while the group hangs, who waits for that once and not for long', async () => {
      const { clock, one, other, askAll, grantedOf, aloneTimes } = limited();
      expect(await grantedOf(askAll(4))).toBe(4);
      for (const { puppet } of [one, other]) puppet.groupHangs = true;
      const waiting = askAll(60);
      await clock.advance(49);
      expect(aloneTimes()).toBe(0);
      await clock.advance(1);
      expect(await grantedOf(waiting)).toBe(20); // ten a worker
      expect(aloneTimes()).toBe(60);
      const at = one.limiter.take('aki_1', rate);
      expect(at).toMatchObject({ rate, outcome: 'exceeded' }); // without waiting
      await clock.advance(1_000);
      expect(await grantedOf(askAll(60))).toBe(2); // at the pace of the limit, as before
      expect(await one.limiter.take('aki_2', { limit: 1, windowMs: 1_000 })).toMatchObject({ remaining: 0 });
      for (const { puppet } of [one, other]) puppet.groupHangs = false;
      await settled();
      const before = aloneTimes();
      expect(await one.limiter.take('aki_3', rate)).toMatchObject({ outcome: 'within', remaining: 19 });
      expect(aloneTimes()).toBe(before);
    });
  });

  test('kills a worker that does not end', async () => {
    const { group, puppets, clock, ends } = groupOf(1);
    puppets[0]!.is(1).listens();
    const stopped = group.stop();
    await clock.advance(5_999);
    await settled();
    expect(ends).toEqual([]);
    await clock.advance(1);
    await stopped;
    expect(ends).toEqual(['retired']);
  });
});
