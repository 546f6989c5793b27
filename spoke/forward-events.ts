import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import { DeniedLog } from './forward/denied-log.ts';
import type { ForwardEvents } from './forward/forwarder.ts';
import type { GatewayMetrics } from './metrics.ts';

/** What the forwarder tells, counted and logged. */
export function forwardEventsOf(parts: {
  metrics: GatewayMetrics;
  log: Logger;
  clock: Clock;
}): ForwardEvents {
  const { metrics, log, clock } = parts;
  const deniedLog = new DeniedLog(log, clock);
  return {
    retried: (failure) => metrics.retried(failure),
    upstreamDenied: (denied, key) => deniedLog.tell(denied, key),
    upstreamOut: (origin, failure) => {
      metrics.upstreamOut(failure);
      log.warn({ origin, failure }, 'an upstream fails again and again; it is left alone for a while');
    },
  };
}
