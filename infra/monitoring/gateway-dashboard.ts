import type { Dashboard, Row } from './grafana.ts';
import { here, quantile, rate } from './queries.ts';

const answers: Row = {
  title: 'What agents are told',
  panels: [
    {
      title: 'Decisions',
      unit: 'reqps',
      doc: 'By code; GRANTED among them. docs/failure-modes.md has a section for each.',
      queries: [{ expr: `sum by (code) (${rate('spokecast_decisions_total')})`, legend: '{{code}}' }],
    },
    {
      title: 'Refused and unanswered',
      unit: 'percentunit',
      doc: 'The share of 401 and 403, and of 503.',
      queries: [
        {
          expr: `sum by (region) (${rate('spokecast_decisions_total', 'code!~"GRANTED|DANGLING|OVERLOADED|UNAVAILABLE|NOT_WHOLE|BEHIND|UNDECODABLE"')}) / sum by (region) (${rate('spokecast_decisions_total')})`,
          legend: '{{region}} refused',
        },
        {
          expr: `sum by (region) (${rate('spokecast_decisions_total', 'code=~"DANGLING|OVERLOADED|UNAVAILABLE|NOT_WHOLE|BEHIND|UNDECODABLE"')}) / sum by (region) (${rate('spokecast_decisions_total')})`,
          legend: '{{region}} unanswered',
        },
      ],
    },
    {
      title: 'Time to decide, p99',
      unit: 's',
      doc: 'In the gateway. From memory this is microseconds; what is above a millisecond waited for the store.',
      queries: [
        {
          expr: quantile(0.99, 'spokecast_request_duration_seconds', 'region, route'),
          legend: '{{region}} {{route}}',
        },
      ],
    },
    {
      title: 'Forwarded',
      unit: 'reqps',
      doc: 'By what came of it.',
      queries: [{ expr: `sum by (outcome) (${rate('spokecast_forwards_total')})`, legend: '{{outcome}}' }],
    },
    {
      title: 'Under way',
      unit: 'short',
      doc: 'Forwarded requests and tunnels, and upstreams left alone after failures.',
      queries: [
        { expr: `sum by (region) (spokecast_forwards_under_way${here()})`, legend: '{{region}} requests' },
        { expr: `sum by (region) (spokecast_tunnels_open${here()})`, legend: '{{region}} tunnels' },
        { expr: `sum by (region) (spokecast_upstreams_out${here()})`, legend: '{{region}} upstreams out' },
      ],
    },
    {
      title: 'Upstreams that fail',
      unit: 'reqps',
      doc: 'Attempts made again, and upstreams left alone, by the failure.',
      queries: [
        {
          expr: `sum by (failure) (${rate('spokecast_forward_retries_total')})`,
          legend: 'again: {{failure}}',
        },
        { expr: `sum by (failure) (${rate('spokecast_upstream_outs_total')})`, legend: 'out: {{failure}}' },
      ],
    },
  ],
};

const freshness: Row = {
  title: 'How fresh it is',
  panels: [
    {
      title: 'Ready, and degraded',
      unit: 'short',
      doc: '/readyz says why.',
      queries: [
        { expr: `min by (region, instance) (spokecast_ready${here()})`, legend: '{{instance}} ready' },
        { expr: `max by (region, instance) (spokecast_degraded${here()})`, legend: '{{instance}} degraded' },
      ],
    },
    {
      title: 'Age of the feed',
      unit: 's',
      doc: 'Since each gateway last read it. Above a second something is wrong with the store or the way to it.',
      queries: [
        { expr: `max by (region, instance) (spokecast_feed_age_seconds${here()})`, legend: '{{instance}}' },
      ],
    },
    {
      title: 'Age of the heartbeat',
      unit: 's',
      doc: 'How far what is held may be behind the hub, for whatever reason. It goes up and down with the interval.',
      queries: [
        {
          expr: `max by (region, instance) (spokecast_heartbeat_age_seconds${here()})`,
          legend: '{{instance}}',
        },
      ],
    },
    {
      title: 'From commit to gateway',
      unit: 's',
      doc: 'Of heartbeats, which go the way of every change.',
      queries: [
        { expr: quantile(0.5, 'spokecast_heartbeat_lag_seconds', 'region'), legend: '{{region}} p50' },
        { expr: quantile(0.99, 'spokecast_heartbeat_lag_seconds', 'region'), legend: '{{region}} p99' },
      ],
    },
    {
      title: 'Announcements',
      unit: 'ops',
      doc: 'By what they did to what is held.',
      queries: [
        { expr: `sum by (outcome) (${rate('spokecast_announcements_total')})`, legend: '{{outcome}}' },
      ],
    },
    {
      title: 'Watermark',
      unit: 'short',
      doc: 'Gateways of one region that differ for long do not read the same feed.',
      queries: [{ expr: `spokecast_feed_watermark${here()}`, legend: '{{region}} {{instance}}' }],
    },
  ],
};

const memory: Row = {
  title: 'Memory and the store',
  panels: [
    {
      title: 'Answered from memory',
      unit: 'percentunit',
      doc: 'Hits, negative ones among them, of all look-ups.',
      queries: [
        {
          expr: `sum by (region) (${rate('spokecast_cache_lookups_total', 'outcome=~"hit|negative-hit|stale|snapshot"')}) / sum by (region) (${rate('spokecast_cache_lookups_total')})`,
          legend: '{{region}}',
        },
      ],
    },
    {
      title: 'Look-ups that were no hit',
      unit: 'ops',
      doc: 'By outcome.',
      queries: [
        {
          expr: `sum by (outcome) (${rate('spokecast_cache_lookups_total', 'outcome!="hit"')})`,
          legend: '{{outcome}}',
        },
      ],
    },
    {
      title: 'Read from the store',
      unit: 'ops',
      doc: 'Keys, by what came of it. A flood of unknown keys shows as absent, at the budget and no more.',
      queries: [
        {
          expr: `sum by (kind, outcome) (${rate('spokecast_cache_fills_total')})`,
          legend: '{{kind}} {{outcome}}',
        },
      ],
    },
    {
      title: 'Held',
      unit: 'short',
      doc: 'Contexts, absences, and what is suspect and being read again.',
      queries: [
        {
          expr: `sum by (region, instance) (spokecast_cache_entries${here()})`,
          legend: '{{instance}} contexts',
        },
        {
          expr: `sum by (region, instance) (spokecast_cache_negatives${here()})`,
          legend: '{{instance}} absences',
        },
        {
          expr: `sum by (region, instance) (spokecast_cache_suspects${here()})`,
          legend: '{{instance}} suspects',
        },
      ],
    },
    {
      title: 'Under way to the store',
      unit: 'short',
      doc: 'Keys, batches and who waits for them.',
      queries: [
        { expr: `sum by (region) (spokecast_fills_in_flight${here()})`, legend: '{{region}} keys' },
        { expr: `sum by (region) (spokecast_fill_batches_in_flight${here()})`, legend: '{{region}} batches' },
        { expr: `sum by (region) (spokecast_lookups_waiting${here()})`, legend: '{{region}} waiting' },
      ],
    },
    {
      title: 'Failures of the store',
      unit: 'ops',
      doc: 'By part of the gateway and code.',
      queries: [
        {
          expr: `sum by (part, code) (${rate('spokecast_store_errors_total')})`,
          legend: '{{part}} {{code}}',
        },
        { expr: `sum by (kind) (${rate('spokecast_undecodable_total')})`, legend: 'undecodable {{kind}}' },
      ],
    },
  ],
};

const door: Row = {
  title: 'The door, the disk, the process',
  panels: [
    {
      title: 'Connections',
      unit: 'short',
      doc: 'Client connections that are open.',
      queries: [{ expr: `spokecast_connections_open${here()}`, legend: '{{instance}}' }],
    },
    {
      title: 'Turned away',
      unit: 'ops',
      doc: 'Connections not taken, or ended before there was a whole request.',
      queries: [
        { expr: `sum by (why) (${rate('spokecast_connections_turned_away_total')})`, legend: '{{why}}' },
      ],
    },
    {
      title: 'Use of keys that is told nobody',
      unit: 'ops',
      doc: 'Keys whose last use stays unknown, because the store did not take word of it for too long.',
      queries: [
        {
          expr: `sum by (region, instance) (${rate('spokecast_key_uses_lost_total')})`,
          legend: '{{instance}}',
        },
      ],
    },
    {
      title: 'Census',
      unit: 'short',
      doc: '1 where made-up keys can be told from keys of the region; -1 where no census is held.',
      queries: [
        { expr: `min by (region, instance) (spokecast_census_told${here()})`, legend: '{{instance}}' },
      ],
    },
    {
      title: 'Snapshot',
      unit: 's',
      doc: 'Since the disk was up to date, and since a rehearsal proved that it boots; -1 without.',
      queries: [
        { expr: `spokecast_snapshot_age_seconds${here()}`, legend: '{{instance}} age' },
        { expr: `spokecast_bootable_age_seconds${here()}`, legend: '{{instance}} proven' },
      ],
    },
    {
      title: 'Workers',
      unit: 'short',
      doc: 'Workers that take connections, how many a second ended, by how, and requests of limited keys that they had to count alone. Only with several.',
      queries: [
        { expr: `spokecast_workers${here()}`, legend: '{{instance}}' },
        { expr: `sum by (how) (${rate('spokecast_worker_ends_total')})`, legend: '{{how}}' },
        { expr: `sum(${rate('spokecast_rate_limit_alone_total')})`, legend: 'counted alone' },
      ],
    },
    {
      title: 'Memory of the process',
      unit: 'bytes',
      doc: 'Resident, and what the cache reckons that it holds.',
      queries: [
        { expr: `process_resident_memory_bytes${here()}`, legend: '{{instance}} resident' },
        { expr: `spokecast_cache_bytes${here()}`, legend: '{{instance}} cache' },
      ],
    },
    {
      title: 'The event loop',
      unit: 's',
      doc: 'How late it is, p99. Above 10 ms the core is busy: add gateways.',
      queries: [{ expr: `nodejs_eventloop_lag_p99_seconds${here()}`, legend: '{{instance}}' }],
    },
    {
      title: 'Loops',
      unit: 's',
      doc: 'Since each last completed a turn.',
      queries: [{ expr: `max by (loop) (spokecast_loop_age_seconds${here()})`, legend: '{{loop}}' }],
    },
    {
      title: 'Certificate',
      unit: 's',
      doc: 'Until the one that is served expires.',
      queries: [
        {
          expr: `spokecast_tls_certificate_expires_timestamp_seconds${here()} - time()`,
          legend: '{{instance}}',
        },
      ],
    },
  ],
};

export const gatewayDashboard: Dashboard = {
  uid: 'spokecast-gateway',
  title: 'Spokecast: gateways',
  regionsOf: 'spokecast_ready',
  rows: [answers, freshness, memory, door],
};
