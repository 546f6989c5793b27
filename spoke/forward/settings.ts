import type { GatewayConfig } from '../config.ts';
import type { ExchangeTimes } from './attempt.ts';
import type { UpstreamNetworks } from './dialling.ts';
import type { TrustedProxies } from './hop.ts';

export interface ForwardSettings extends ExchangeTimes {
  /** Requests under way in all, and to one upstream (which is also its number of connections). */
  forwardsMax: number;
  upstreamConnectionsMax: number;
  /** Tunnels at the same time, which do not count as requests, and how long one may be silent. */
  tunnelsMax: number;
  tunnelIdleTimeoutMs: number;
  /** Tries of one request, on as many upstreams as there are. */
  attemptsMax: number;
  upstreamFailuresMax: number;
  upstreamOutMs: number;
  trustedProxies: TrustedProxies;
  upstreamNetworks: UpstreamNetworks;
}

export function forwardSettingsOf(config: GatewayConfig): ForwardSettings {
  const { forwardsMax, upstreamConnectionsMax, upstreamFailuresMax, upstreamOutMs } = config;
  return {
    ...{ forwardsMax, upstreamConnectionsMax, upstreamFailuresMax, upstreamOutMs },
    tunnelsMax: config.tunnelsMax,
    tunnelIdleTimeoutMs: config.tunnelIdleTimeoutMs,
    connectTimeoutMs: config.upstreamConnectTimeoutMs,
    headersTimeoutMs: config.upstreamHeadersTimeoutMs,
    idleTimeoutMs: config.upstreamIdleTimeoutMs,
    attemptsMax: config.upstreamAttemptsMax,
    trustedProxies: config.trustedProxies,
    upstreamNetworks: {
      denied: config.upstreamDeniedNetworks,
      allowed: config.upstreamAllowedNetworks,
      loopback: config.upstreamLoopback,
    },
  };
}
