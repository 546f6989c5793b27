import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../contexts/base/clock.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { newId } from '../../../contexts/ids.ts';
import { newSecret } from '../../../contexts/secrets.ts';
import { startHub, type TestHub } from '../support/hub.ts';
import * as make from '../support/things.ts';

let hub: TestHub;
beforeAll(async () => {
  hub = await startHub({
    environment: { SPOKECAST_FAILED_LOGINS_MAX: '5', SPOKECAST_PROXY_HOPS: '1', SPOKECAST_KEY_CACHE_MS: '1' },
  });
});
afterAll(() => hub[Symbol.asyncDispose]());

const from = (address: string) => ({ headers: { 'x-forwarded-for': `9.9.9.9, ${address}` } });
const unknown = () =>
  newSecret('applicationKey', newId('applicationKey', systemClock, systemRandom), systemRandom);

async function fail(address: string, secret: () => string, times: number): Promise<number[]> {
  const statuses: number[] = [];
  for (let i = 0; i < times; i++)
    statuses.push((await hub.as(secret()).get('/v1/tenants', from(address))).status);
  return statuses;
}

describe('failed logins', () => {
  test('of one address are answered with 429 after a while; other addresses feel nothing', async () => {
    expect(await fail('10.0.0.1', unknown, 8)).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    const limited = await hub.as(unknown()).get('/v1/tenants', from('10.0.0.1'));
    expect(limited.body.code).toBe('TOO_MANY_FAILED_LOGINS');
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(50);
    expect((await hub.as(unknown()).get('/v1/tenants', from('10.0.0.2'))).status).toBe(401);
  });

  test('count malformed keys too', async () => {
    expect(await fail('10.0.0.3', () => 'nonsense', 6)).toEqual([401, 401, 401, 401, 401, 429]);
  });

  test('do not keep out a key that has worked from the same address', async () => {
    const neighbour = hub.as((await make.applicationKey(hub.owner, { role: 'viewer' })).secret);
    expect((await neighbour.get('/v1/tenants', from('10.0.0.4'))).status).toBe(200);
    await fail('10.0.0.4', unknown, 10);
    for (let i = 0; i < 3; i++)
      expect((await neighbour.get('/v1/tenants', from('10.0.0.4'))).status).toBe(200);
  });

  test('with a key that is not theirs do not keep out whoever holds it', async () => {
    const key = await make.applicationKey(hub.owner, { role: 'viewer' });
    for (let i = 0; i < 10; i++) {
      await fail(`10.1.0.${i}`, () => newSecret('applicationKey', key.id, systemRandom), 1);
    }
    expect(await fail('10.1.1.1', () => newSecret('applicationKey', key.id, systemRandom), 1)).toEqual([429]);
    expect((await hub.as(key.secret).get('/v1/tenants', from('10.2.0.1'))).status).toBe(200);
  });

  test('count by network where addresses are cheap', async () => {
    for (let i = 0; i < 6; i++) await fail(`2001:db8:1:2::${i}`, unknown, 1);
    expect(await fail('2001:db8:1:2:ffff::1', unknown, 1)).toEqual([429]);
    expect(await fail('2001:db8:1:3::1', unknown, 1)).toEqual([401]);
  });
});
