import { type OptionTable, option, value } from '../contexts/base/options.ts';
import { neverUpstream } from '../contexts/upstream-networks.ts';
import { milliseconds, networkTexts } from './option-values.ts';

/** What a gateway does with the upstreams of clusters. */
export const upstreamOptions = {
  upstreamConnectionsMax: option({
    env: 'SPOKECAST_UPSTREAM_CONNECTIONS_MAX',
    schema: value.integer(1, 100_000),
    default: '256',
    doc: 'Of these, to one upstream; also its connections.',
  }),
  upstreamConnectTimeoutMs: option({
    env: 'SPOKECAST_UPSTREAM_CONNECT_TIMEOUT_MS',
    schema: milliseconds(10, 600_000),
    default: '5000',
    doc: 'Milliseconds an upstream has to take a connection.',
  }),
  upstreamHeadersTimeoutMs: option({
    env: 'SPOKECAST_UPSTREAM_HEADERS_TIMEOUT_MS',
    schema: milliseconds(10, 86_400_000),
    default: '60000',
    doc: 'Milliseconds an upstream has to begin its answer.',
  }),
  upstreamIdleTimeoutMs: option({
    env: 'SPOKECAST_UPSTREAM_IDLE_TIMEOUT_MS',
    schema: milliseconds(10, 86_400_000),
    default: '60000',
    doc: 'Milliseconds of silence in the middle of an answer after which it is cut off.',
  }),
  upstreamAttemptsMax: option({
    env: 'SPOKECAST_UPSTREAM_ATTEMPTS_MAX',
    schema: value.integer(1, 10),
    default: '3',
    doc: 'Attempts at one request, each at another upstream of its cluster. What an upstream may have received is repeated only if it is idempotent.',
  }),
  upstreamFailuresMax: option({
    env: 'SPOKECAST_UPSTREAM_FAILURES_MAX',
    schema: value.integer(1, 1_000),
    default: '3',
    doc: 'Failures in a row after which an upstream is left alone, if its cluster has another one.',
  }),
  upstreamOutMs: option({
    env: 'SPOKECAST_UPSTREAM_OUT_MS',
    schema: milliseconds(10, 3_600_000),
    default: '10000',
    doc: 'Milliseconds for which it is left alone, until one request tries it again.',
  }),
  upstreamDeniedNetworks: option({
    env: 'SPOKECAST_UPSTREAM_DENIED_NETWORKS',
    schema: networkTexts,
    default: neverUpstream.join(','),
    doc: 'Networks, by commas, in which no upstream is connected to, whatever its name resolves to; none for no such network. Given, it replaces the default: link-local addresses, the metadata services of clouds, and the unspecified address.',
  }),
  upstreamAllowedNetworks: option({
    env: 'SPOKECAST_UPSTREAM_ALLOWED_NETWORKS',
    schema: networkTexts,
    optional: true,
    doc: 'Networks, by commas, in which alone upstreams are connected to, without those that are denied. Any where it is not given.',
  }),
  upstreamLoopback: option({
    env: 'SPOKECAST_UPSTREAM_LOOPBACK',
    schema: value.oneOf(['denied', 'allowed']),
    default: 'denied',
    doc: 'Whether upstreams may be on this machine, at its loopback addresses. Allowed, whoever may name an upstream reaches what listens there, the gateway itself among it. SPOKECAST_UPSTREAM_ALLOWED_NETWORKS holds for them too.',
  }),
} satisfies OptionTable;
