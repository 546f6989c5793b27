import { describe, expect, test } from 'vitest';
import { describeRegion, removedLine } from '../../infra/bin/commands/regions.ts';

const well = { state: 'open' as const, reason: null, freeze: null, held: 0, heldAhead: 0, quarantined: 0 };
const region = { id: 'eu-west-1', status: 'active' as const, seeding: undefined };

describe('a region as it is listed', () => {
  test.each([
    ['all is well', { ...region, publishing: well }, ['eu-west-1', 'active', 'open', undefined, '']],
    ['for a key of a tenant', region, ['eu-west-1', 'active', undefined, undefined, '']],
    [
      'ahead of a restored hub',
      {
        ...region,
        publishing: { ...well, state: 'ahead' as const, reason: 'see `spokecast hub promote-epoch`' },
      },
      ['eu-west-1', 'active', 'ahead', undefined, 'see `spokecast hub promote-epoch`'],
    ],
    [
      'with contexts that wait for a person',
      { ...region, publishing: { ...well, held: 3, quarantined: 1, heldAhead: 2 } },
      [
        'eu-west-1',
        'active',
        'open',
        undefined,
        '4 held (spokecast holds list eu-west-1); 2 left to a person (CONTEXT_AHEAD)',
      ],
    ],
    [
      'disabled, which says it all',
      {
        ...region,
        status: 'disabled' as const,
        publishing: { ...well, state: 'disabled' as const, reason: 'it is' },
      },
      ['eu-west-1', 'disabled', 'disabled', undefined, ''],
    ],
  ])('%s', (_what, view, line) => {
    expect(describeRegion(view)).toEqual(line);
  });
});

test('a region that was removed: its table is named, where it is, and who is to delete it', () => {
  const line = removedLine('eu-west-1', { table: 'spokecast-prod-eu', awsRegion: 'eu-west-1' });
  expect(line).toContain('Its table spokecast-prod-eu in eu-west-1 was not touched');
  expect(line).toContain('delete it with the tools of your store');
  expect(line).toContain('\n  aws dynamodb delete-table --table-name spokecast-prod-eu --region eu-west-1');
  expect(removedLine('eu-west-1', undefined)).not.toContain('table');
});

test('the command that deletes a table of another store names its endpoint, and no shell reads more into it', () => {
  expect(removedLine('here', { table: 't', endpoint: 'http://127.0.0.1:4201' })).toMatch(
    /delete-table --table-name t --endpoint-url http:\/\/127\.0\.0\.1:4201 --region elsewhere-1$/,
  );
  const odd = removedLine('here', { table: "a'b;c", endpoint: 'http://[::1]:1/?a&b' });
  expect(odd).toContain("--table-name 'a'\\''b;c' --endpoint-url 'http://[::1]:1/?a&b'");
});
