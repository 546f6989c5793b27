import { expect, test } from 'vitest';
import { ConfigurationError } from '../../contexts/base/options.ts';
import { readConfig } from '../../publisher/config.ts';
import { readConfig as readGatewayConfig } from '../../spoke/config.ts';

function problemsOf(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  return [];
}

const dayMs = 86_400_000;
const publisher = (more: Record<string, string>) =>
  problemsOf(() =>
    readConfig({ DATABASE_URL: 'postgres://db/hub', ...more }, ['SPOKECAST_SNAPSHOT_AGE_MAX_MS']),
  );
const gateway = (more: Record<string, string>) =>
  problemsOf(() =>
    readGatewayConfig({ SPOKECAST_REGION: 'eu-west-1', AWS_REGION: 'eu-west-1', ...more }, [
      'SPOKECAST_TOMBSTONE_RETENTION_MS',
    ]),
  );

test('[law 2] tombstones that do not outlive the feed and the snapshots are refused, with what to change', () => {
  expect(publisher({})).toEqual([]);
  expect(publisher({ SPOKECAST_TOMBSTONE_RETENTION_MS: '3600001' })).toEqual([]);
  const both = {
    SPOKECAST_TOMBSTONE_RETENTION_MS: '3600000',
    SPOKECAST_FEED_RETENTION_MS: '3600000',
    SPOKECAST_SNAPSHOT_AGE_MAX_MS: String(6 * dayMs),
  };
  expect(publisher({ ...both, SPOKECAST_DATABASE_POOLER: 'transaction' })).toEqual([
    'SPOKECAST_TOMBSTONE_RETENTION_MS=3600000 must be above SPOKECAST_FEED_RETENTION_MS=3600000: raise the first, or lower the second',
    'SPOKECAST_TOMBSTONE_RETENTION_MS=3600000 must be above SPOKECAST_SNAPSHOT_AGE_MAX_MS=518400000: raise the first, or lower the second',
    expect.stringContaining('SPOKECAST_DATABASE_DIRECT_URL'),
  ]);
});

test('[law 2] a gateway compares its snapshots where its environment says how long tombstones are kept', () => {
  const snapshot = { SPOKECAST_SNAPSHOT_AGE_MAX_MS: String(8 * dayMs) };
  expect(gateway(snapshot)).toEqual([]);
  expect(gateway({ ...snapshot, SPOKECAST_TOMBSTONE_RETENTION_MS: String(7 * dayMs) })).toEqual([
    expect.stringContaining('must be above SPOKECAST_SNAPSHOT_AGE_MAX_MS=691200000'),
  ]);
});
