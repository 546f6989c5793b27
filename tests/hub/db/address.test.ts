import { describe, expect, test } from 'vitest';
import { addressOf, commandAddressOf, deafness } from '../../../hub/db/address.ts';
import { readConfig } from '../../../publisher/config.ts';

const [pooled, direct] = ['postgres://pooler/hub', 'postgres://postgres/hub'];
const config = { databaseUrl: pooled, databasePooler: 'transaction' as const };

describe('an address behind a pooler', () => {
  test('says in the log that nothing is heard, unless there is a way past it', () => {
    expect(deafness(addressOf(config))).toContain('SPOKECAST_DATABASE_DIRECT_URL');
    expect(deafness(addressOf({ ...config, databaseDirectUrl: direct }))).toBeUndefined();
    expect(deafness(addressOf({ ...config, databasePooler: 'none' }))).toBeUndefined();
  });

  test('is left aside by commands that have a way past it', () => {
    expect(commandAddressOf({ ...config, databaseDirectUrl: direct })).toEqual({
      url: direct,
      pooler: 'none',
    });
    expect(commandAddressOf(config)).toEqual({ url: pooled, pooler: 'transaction' });
  });

  test('names one host, and says so where there are several', () => {
    for (const url of ['postgres://one,two/hub', 'postgres://one:1,two:2/hub'])
      expect(() => readConfig({ DATABASE_URL: url }, [])).toThrow(/DATABASE_URL=\[secret\]: must/);
    expect(() => readConfig({ DATABASE_URL: 'postgres://one,two/hub' }, [])).toThrow(
      'A failover of Postgres',
    );
  });

  test('holds no job queues: a publisher wants a way past it, or Redis', () => {
    const environment = { DATABASE_URL: pooled, SPOKECAST_DATABASE_POOLER: 'transaction' };
    expect(() => readConfig(environment, [])).toThrow('SPOKECAST_DATABASE_DIRECT_URL or REDIS_URL');
    readConfig({ ...environment, SPOKECAST_DATABASE_DIRECT_URL: direct }, []);
    readConfig({ ...environment, REDIS_URL: 'redis://redis' }, []);
  });
});
