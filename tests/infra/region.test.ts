import { describe, expect, test } from 'vitest';
import { describeRegion, removedLine } from '../../infra/bin/region.ts';

const well = { state: 'open', reason: null, held: 0, heldAhead: 0, quarantined: 0 };
const region = { id: 'eu-west-1', status: 'active' as const };

describe('a region as it is listed', () => {
  test.each([
    ['all is well', { ...region, publishing: well }, 'eu-west-1  active'],
    ['for a key of a tenant', region, 'eu-west-1  active'],
    [
      'ahead of a restored hub',
      { ...region, publishing: { ...well, state: 'ahead', reason: 'see `spokecast hub promote-epoch`' } },
      'eu-west-1  active  ahead: see `spokecast hub promote-epoch`',
    ],
    [
      'with contexts that wait for a person',
      { ...region, publishing: { ...well, held: 3, quarantined: 1, heldAhead: 2 } },
      'eu-west-1  active  4 held (GET /v1/regions/eu-west-1/holds)  2 left to a person (CONTEXT_AHEAD)',
    ],
    [
      'disabled, which says it all',
      { ...region, status: 'disabled' as const, publishing: { ...well, state: 'disabled', reason: 'it is' } },
      'eu-west-1  disabled',
    ],
  ])('%s', (_what, view, line) => {
    expect(describeRegion(view)).toBe(line);
  });
});

test('a region that was removed: its table is named, where it is, and who is to delete it', () => {
  const line = removedLine('eu-west-1', { table: 'spokecast-prod-eu', awsRegion: 'eu-west-1' });
  expect(line).toContain('Its table spokecast-prod-eu in eu-west-1 was not touched');
  expect(line).toContain('delete it with the tools of your store');
  expect(removedLine('eu-west-1', undefined)).not.toContain('table');
});
