import { describe, expect, test } from 'vitest';
import { LoginLimits } from '../../../hub/auth/login-limits.ts';
import { sourceOf } from '../../../hub/http/request.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('LoginLimits', () => {
  test('forgive when the window is over', async () => {
    const clock = new VirtualClock();
    const limits = new LoginLimits({ clock, windowMs: 60_000, failuresMax: 2 });
    for (let i = 0; i < 3; i++) limits.failed('here', 'apk_1');
    expect(limits.lookupWaitMs('here', 'apk_2')).toBe(60_000);
    expect(limits.refusalWaitMs('elsewhere', 'apk_1')).toBe(60_000);
    await clock.advance(60_001);
    expect(limits.lookupWaitMs('here', 'apk_2')).toBe(0);
    expect(limits.refusalWaitMs('here', 'apk_1')).toBe(0);
  });

  test('remember a fixed number of sources', () => {
    const limits = new LoginLimits({
      clock: new VirtualClock(),
      windowMs: 60_000,
      failuresMax: 1,
      entriesMax: 3,
    });
    for (let i = 0; i < 2; i++) limits.failed('first', undefined);
    for (let i = 0; i < 3; i++) limits.failed(`other ${i}`, undefined);
    expect(limits.refusalWaitMs('first', undefined)).toBe(0);
  });
});

describe('sourceOf', () => {
  const incoming = (remoteAddress: string) => ({ socket: { remoteAddress } }) as never;

  test.each([
    ['10.0.0.1', {}, 0, '10.0.0.1'],
    ['::ffff:10.0.0.1', {}, 0, '10.0.0.1'],
    ['2001:db8::1', {}, 0, '2001:db8:0:0::/64'],
    ['2001:0db8:1:2:3:4:5:6', {}, 0, '2001:db8:1:2::/64'],
    ['fe80::1%eth0', {}, 0, 'fe80:0:0:0::/64'],
    ['10.0.0.1', { 'x-forwarded-for': '1.1.1.1' }, 0, '10.0.0.1'],
    ['10.0.0.1', { 'x-forwarded-for': 'forged, 1.1.1.1' }, 1, '1.1.1.1'],
    ['10.0.0.1', { 'x-forwarded-for': 'forged, 1.1.1.1, 2.2.2.2' }, 2, '1.1.1.1'],
    ['10.0.0.1', {}, 1, '10.0.0.1'],
  ])('%s with %j behind %i proxies is %s', (address, headers, hops, source) => {
    expect(sourceOf(incoming(address), headers, hops)).toBe(source);
  });
});
