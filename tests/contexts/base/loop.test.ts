import { describe, expect, test } from 'vitest';
import { backoffMs, Loop, type LoopOptions } from '../../../contexts/base/loop.ts';
import { Gate } from '../../support/gate.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

function counting(options: Partial<LoopOptions> = {}) {
  const clock = new VirtualClock();
  const turns: number[] = [];
  const errors: unknown[] = [];
  const loop = new Loop({
    name: 'test',
    clock,
    everyMs: 100,
    onError: (error) => errors.push(error),
    ...options,
    async turn(signal) {
      turns.push(clock.monotonic());
      return options.turn?.(signal);
    },
  });
  return { clock, loop, turns, errors };
}

describe('a loop', () => {
  test('turns at once, then every interval, until it is stopped', async () => {
    const { clock, loop, turns } = counting();
    loop.start();
    await clock.advance(250);
    expect(turns).toEqual([0, 100, 200]);
    await loop.stop();
    await clock.advance(1_000);
    expect(turns).toHaveLength(3);
    expect(clock.pending).toBe(0);
  });

  test('does not turn before its start, and starts once', async () => {
    const { clock, loop, turns } = counting();
    await clock.advance(500);
    expect(turns).toEqual([]);
    loop.start();
    loop.start();
    await settle();
    expect(turns).toHaveLength(1);
    await loop.stop();
  });

  test('a wake ends the wait', async () => {
    const { clock, loop, turns } = counting();
    loop.start();
    await clock.advance(30);
    loop.wake();
    await settle();
    expect(turns).toEqual([0, 30]);
    await clock.advance(100);
    expect(turns).toEqual([0, 30, 130]);
    await loop.stop();
  });

  test('a wake during a turn is not lost: another turn follows at once', async () => {
    const gate = new Gate();
    const { clock, loop, turns } = counting({ turn: () => gate.pass() });
    loop.start();
    await gate.reached();
    loop.wake();
    loop.wake();
    gate.open();
    await clock.advance(0);
    expect(turns).toEqual([0, 0]);
    await loop.stop();
  });

  test("'again' turns again without waiting", async () => {
    let left = 3;
    const { clock, loop, turns } = counting({ turn: async () => (left-- > 0 ? 'again' : undefined) });
    loop.start();
    await clock.advance(0);
    expect(turns).toEqual([0, 0, 0, 0]);
    await loop.stop();
  });

  test('a turn that throws is reported, waits as told, and is not hurried by a wake', async () => {
    let failing = true;
    const { clock, loop, turns, errors } = counting({
      retryMs: (failures) => backoffMs(failures, 10, 1_000),
      turn: async () => {
        if (failing) throw new Error('no');
      },
    });
    loop.start();
    await clock.advance(0);
    loop.wake();
    await clock.advance(75);
    expect(turns).toEqual([0, 10, 30, 70]);
    expect(errors).toHaveLength(4);
    expect(loop.failures).toBe(4);
    failing = false;
    await clock.advance(75);
    expect(loop.failures).toBe(0);
    expect(turns).toEqual([0, 10, 30, 70, 150]);
    await loop.stop();
  });

  test('its age is the time since a turn last succeeded', async () => {
    let failing = false;
    const { clock, loop } = counting({
      turn: async () => {
        if (failing) throw new Error('no');
      },
    });
    await clock.advance(40);
    expect(loop.ageMs()).toBe(40);
    loop.start();
    await settle();
    expect(loop.ageMs()).toBe(0);
    failing = true;
    await clock.advance(330);
    expect(loop.ageMs()).toBe(330);
    await loop.stop();
  });

  test('a stop asks the running turn to end and waits for it', async () => {
    let ended = false;
    const { loop } = counting({
      turn: async (signal) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        await settle();
        ended = true;
      },
    });
    loop.start();
    await settle();
    await loop.stop();
    expect(ended).toBe(true);
    await new Loop({
      name: 'never',
      clock: new VirtualClock(),
      everyMs: 1,
      turn: async () => {},
      onError() {},
    }).stop();
  });

  test('the interval may change from turn to turn', async () => {
    let every = 10;
    const { clock, loop, turns } = counting({ everyMs: () => every++ });
    loop.start();
    await clock.advance(40);
    expect(turns).toEqual([0, 10, 21, 33]);
    await loop[Symbol.asyncDispose]();
  });
});

describe('backoff', () => {
  test.each([
    [0, 10],
    [1, 10],
    [2, 20],
    [3, 40],
    [8, 1_000],
    [5_000, 1_000],
  ])('after %i failures: %i ms', (failures, expected) => {
    expect(backoffMs(failures, 10, 1_000)).toBe(expected);
  });
});
