import type { Dashboard, Row } from './grafana.ts';
import { here, quantile, rate } from './queries.ts';

const way: Row = {
  title: 'The way of a change',
  panels: [
    {
      title: 'Outbox',
      unit: 's',
      doc: 'The age of the oldest change that is not relayed.',
      queries: [{ expr: 'min(spokecast_outbox_oldest_age_seconds)', legend: 'oldest' }],
    },
    {
      title: 'Rows relayed',
      unit: 'ops',
      doc: 'And those that wait.',
      queries: [
        { expr: 'sum(rate(spokecast_relay_rows_total[$__rate_interval]))', legend: 'relayed' },
        { expr: 'min(spokecast_outbox_rows)', legend: 'waiting' },
        { expr: 'sum(rate(spokecast_relay_errors_total[$__rate_interval]))', legend: 'turns failed' },
      ],
    },
    {
      title: 'Refresh jobs, oldest',
      unit: 's',
      doc: 'By region. One that grows while the others do not is a region in trouble, and delays no other.',
      queries: [
        { expr: `min by (region) (spokecast_refresh_oldest_age_seconds${here()})`, legend: '{{region}}' },
      ],
    },
    {
      title: 'From commit to announced',
      unit: 's',
      doc: 'p99 of refresh jobs.',
      queries: [{ expr: quantile(0.99, 'spokecast_refresh_seconds', 'region'), legend: '{{region}}' }],
    },
    {
      title: 'Published',
      unit: 'ops',
      doc: 'By outcome.',
      queries: [
        { expr: `sum by (outcome) (${rate('spokecast_contexts_published_total')})`, legend: '{{outcome}}' },
      ],
    },
    {
      title: 'Reports of gateways',
      unit: 's',
      doc: 'Since each publisher last read them: fences wait for that, publishing does not.',
      queries: [
        { expr: `min by (region) (spokecast_collector_age_seconds${here()})`, legend: '{{region}}' },
        {
          expr: `min by (region) (spokecast_key_use_collector_age_seconds${here()})`,
          legend: '{{region}} use of keys',
        },
      ],
    },
    {
      title: 'Heartbeats stored',
      unit: 's',
      doc: 'The age of what each store holds: the whole way but the gateways.',
      queries: [
        { expr: `min by (region) (spokecast_heartbeat_stored_age_seconds${here()})`, legend: '{{region}}' },
      ],
    },
  ],
};

const regions: Row = {
  title: 'Regions',
  panels: [
    {
      title: 'Not open',
      unit: 'short',
      doc: '1 where every publisher sees the region in that state.',
      queries: [
        {
          expr: `min by (region, state) (spokecast_region_state${here('state!="open"')}) > 0`,
          legend: '{{region}} {{state}}',
        },
      ],
    },
    {
      title: 'Held',
      unit: 'short',
      doc: 'Contexts whose last good state stays in place: docs/operations.md, when contexts are held.',
      queries: [
        {
          expr: `max by (region, kind, reason) (spokecast_contexts_held${here()})`,
          legend: '{{region}} {{kind}} {{reason}}',
        },
      ],
    },
    {
      title: 'Since the last sweep',
      unit: 's',
      doc: 'By region, beside the interval.',
      queries: [
        { expr: `min by (region) (spokecast_sweep_age_seconds${here()})`, legend: '{{region}}' },
        { expr: 'max(spokecast_sweep_interval_seconds)', legend: 'interval' },
      ],
    },
    {
      title: 'Drift',
      unit: 'short',
      doc: 'Differences that sweeps found, an hour. In quiet times there are none.',
      queries: [
        {
          expr: `sum by (region, drift) (increase(spokecast_drift_total${here()}[1h]))`,
          legend: '{{region}} {{drift}}',
        },
      ],
    },
    {
      title: 'Frozen',
      unit: 'short',
      doc: 'By what the freeze stops.',
      queries: [
        { expr: `max by (region, mode) (spokecast_region_frozen${here()})`, legend: '{{region}} {{mode}}' },
      ],
    },
    {
      title: 'Sweeps',
      unit: 'short',
      doc: 'That ended, an hour, by status.',
      queries: [
        { expr: `sum by (status) (increase(spokecast_sweeps_total${here()}[1h]))`, legend: '{{status}}' },
      ],
    },
  ],
};

const hub: Row = {
  title: 'The hub',
  panels: [
    {
      title: 'Requests',
      unit: 'reqps',
      doc: 'By status.',
      queries: [
        {
          expr: 'sum by (status) (rate(spokecast_hub_request_duration_seconds_count[$__rate_interval]))',
          legend: '{{status}}',
        },
      ],
    },
    {
      title: 'Time to answer, p99',
      unit: 's',
      doc: 'By route.',
      queries: [
        {
          expr: 'histogram_quantile(0.99, sum by (route, le) (rate(spokecast_hub_request_duration_seconds_bucket[$__rate_interval])))',
          legend: '{{route}}',
        },
      ],
    },
    {
      title: 'Database and logins',
      unit: 'ops',
      doc: 'Faults of Postgres, and refused application keys.',
      queries: [
        {
          expr: 'sum by (fault) (rate(spokecast_hub_database_errors_total[$__rate_interval]))',
          legend: '{{fault}}',
        },
        {
          expr: 'sum by (outcome) (rate(spokecast_hub_logins_total[$__rate_interval]))',
          legend: 'login {{outcome}}',
        },
      ],
    },
    {
      title: 'Loops',
      unit: 's',
      doc: 'Of hub and publisher, since each last completed a turn.',
      queries: [
        {
          expr: 'max by (instance, loop) (spokecast_loop_age_seconds{region=""})',
          legend: '{{instance}} {{loop}}',
        },
      ],
    },
  ],
};

export const replicationDashboard: Dashboard = {
  uid: 'spokecast-replication',
  title: 'Spokecast: replication',
  regionsOf: 'spokecast_region_state',
  rows: [way, regions, hub],
};
