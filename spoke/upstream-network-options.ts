import { type OptionTable, option, value } from '../contexts/base/options.ts';
import { neverUpstream } from '../contexts/upstream-networks.ts';
import { networkTexts } from './option-values.ts';

/** Which addresses a gateway connects to for a cluster: a tenant names them, and the gateway is who asks there. */
export const upstreamNetworkOptions = {
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
