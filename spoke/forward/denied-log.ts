import type { Clock } from '../../contexts/base/clock.ts';
import type { Logger } from '../../contexts/base/log.ts';
import type { PreparedAgentKey } from '../prepared.ts';
import type { UpstreamDeniedError } from './dialling.ts';

/** Between two lines about one host of one cluster, which whoever sends requests would have at any rate. */
const everyMs = 60_000;

/** Lines in that time; what comes beyond is counted in the metrics alone. */
const linesMax = 100;

/** Tells operators which upstreams requests are not sent to, and where those are. */
export class DeniedLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  /** What was told in the last {@link everyMs}, and when: the oldest first. */
  readonly #told = new Map<string, number>();

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  tell({ host, address }: UpstreamDeniedError, key: Pick<PreparedAgentKey, 'clusterId' | 'tenantId'>): void {
    const now = this.#clock.monotonic();
    for (const [line, at] of this.#told) {
      if (now - at < everyMs) break;
      this.#told.delete(line);
    }
    const { clusterId, tenantId } = key;
    const line = `${clusterId} ${host}`;
    if (this.#told.has(line) || this.#told.size >= linesMax) return;
    this.#told.set(line, now);
    const text = 'the upstream of a cluster is where this gateway connects to nothing; see UPSTREAM_DENIED';
    this.#log.warn({ host, address, clusterId, tenantId }, text);
  }
}
