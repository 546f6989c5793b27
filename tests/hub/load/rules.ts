import type { Rules } from './plans.ts';

export const rules: Rules = {
  rowsMax: 4500,
  bounded: {
    hub_state: 'one row',
    event_stream: 'one row',
    regions: 'a hundred at the most',
    region_runs: 'one row a region',
    region_reports: 'one row a region',
    region_contents: 'a row a region and kind',
    heartbeats: 'one row a region',
    freezes: 'one row a region',
    region_lags: 'the minutes of a day, a region each: read whole for the plot, and removed after that day',
    gateways: 'those that live, some a region',
    key_use_regions: 'one row a region',
  },
  exempt: [
    {
      statement: /^select d\.\*, "heads"\."key" as head_key.* order by d\."key" limit/,
      reason:
        'a page of a sweep: a sweep reads all that there is in order, once, and keeps of it what the region holds',
    },
    {
      statement: /^select count\(\*\) as count from \( select "(tenants|clusters|agent_keys)"/,
      reason: 'what a region is to hold is counted once a seeding, for its progress',
    },
    {
      statement: /from "agent_keys" where .*not exists \(select from "agent_key_uses"/,
      reason:
        'who asks for keys that were not used reads those that were: an index of the last use would cost every report of one',
    },
    {
      statement: /^delete from "agent_key_uses"/,
      reason: 'the uses of keys that are long gone are looked for once an hour, for the same reason',
    },
    {
      statement: /^delete from receipts where id = any/,
      reason: 'ten thousand at a time, found by their age',
    },
    {
      statement: /^update hub_state set run = run \+ 1/,
      reason:
        'a run of the database begins once after each of its starts; an index of revisions would cost every write',
    },
    {
      statement: /^select t\.id, t\.(clusters|agent_keys)_max as quota/,
      reason: 'a quota counts what the tenant has, where there is one (docs/tenants.md says what that takes)',
    },
  ],
};
