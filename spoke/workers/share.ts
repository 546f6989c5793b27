import type { GatewayConfig } from '../config.ts';

/**
 * What is bounded for a gateway as a whole, divided by its workers. What bounds a memory (the cache) is each worker's
 * own, because every worker is asked for every key.
 */
export function shareOf(config: GatewayConfig): GatewayConfig {
  const share = (whole: number) => Math.ceil(whole / config.workers);
  return {
    ...config,
    unknownPerSecond: share(config.unknownPerSecond),
    unknownBurst: share(config.unknownBurst),
    connectionsMax: share(config.connectionsMax),
    forwardsMax: share(config.forwardsMax),
    upstreamConnectionsMax: share(config.upstreamConnectionsMax),
    tunnelsMax: share(config.tunnelsMax),
  };
}
