import { beforeEach, describe, expect, test } from 'vitest';
import type { FeedHead, GatewayStatus } from '../../contexts/store.ts';
import { StatusWriter } from '../../spoke/status.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

describe('a gateway reports', () => {
  let clock: VirtualClock;
  let reports: GatewayStatus[];
  let position: FeedHead | undefined;
  let failing: boolean;
  let errors: number;
  let writer: StatusWriter;
  beforeEach(() => {
    clock = new VirtualClock();
    reports = [];
    failing = false;
    errors = 0;
    position = undefined;
    writer = new StatusWriter({
      ...{ clock, random: { fraction: () => 0.5, bytes: (count: number) => new Uint8Array(count) } },
      ...{ everyMs: 5000, soonMs: 200, timeoutMs: 1000, id: 'gw', region: 'r', build: 'b' },
      store: {
        reportGateway: async (status) => {
          if (failing) throw new Error('no');
          reports.push(status);
        },
      },
      position: () => position,
      look: () => ({ cachedContexts: 3, degraded: false }),
      onError: () => {
        errors += 1;
      },
    });
    writer.start();
    position = { incarnation: 'f', number: 1 };
  });

  test('first as soon as it has a position, and then once a period while nothing moves', async () => {
    position = undefined;
    await clock.advance(1000);
    expect(reports).toEqual([]);
    position = { incarnation: 'f', number: 1 };
    await clock.advance(50);
    expect(reports).toHaveLength(1);
    expect(reports[0]).toMatchObject({ id: 'gw', watermark: 1, feedIncarnation: 'f', cachedContexts: 3 });
    expect(reports[0]!.expiresAtMs - reports[0]!.reportedAtMs).toBe(15_000);
    await clock.advance(20_100);
    expect(reports).toHaveLength(5);
    await writer.leave();
  });

  test('[law 8] at once when its position moved after a quiet time, and then at the bounded rate', async () => {
    await clock.advance(1000);
    position = { incarnation: 'f', number: 2 };
    await clock.advance(50);
    expect(reports.map((one) => one.watermark)).toEqual([1, 2]);
    for (let number = 3; number < 203; number++) {
      position = { incarnation: 'f', number };
      await clock.advance(10);
    }
    expect(reports.length).toBeGreaterThan(8);
    expect(reports.length).toBeLessThanOrEqual(13);
    await clock.advance(250);
    expect(reports.at(-1)!.watermark).toBe(202);
    await writer.leave();
  });

  test('again when the feed is another, though its number is the same', async () => {
    await clock.advance(1000);
    position = { incarnation: 'g', number: 1 };
    await clock.advance(50);
    expect(reports.map((one) => one.feedIncarnation)).toEqual(['f', 'g']);
    await writer.leave();
  });

  test('again and again, ever less often, while the store refuses; and at once when it is back', async () => {
    failing = true;
    await clock.advance(60_000);
    expect(errors).toBeGreaterThan(5);
    expect(errors).toBeLessThan(25);
    expect(writer.ageMs).toBeGreaterThan(50_000);
    failing = false;
    await clock.advance(7000);
    expect(reports.length).toBeGreaterThan(0);
    await writer.leave();
  });

  test('that it leaves, so that nobody waits for it', async () => {
    await clock.advance(1000);
    const leaving = writer.leave();
    await clock.advance(0);
    await leaving;
    const last = reports.at(-1)!;
    expect(last.expiresAtMs).toBe(last.reportedAtMs);
    await clock.advance(20_000);
    expect(reports.at(-1)).toBe(last);
  });
});
