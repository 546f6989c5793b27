import type { GatewayStatus } from '../contexts/store.ts';
import type { ListedGateway } from '../hub/db/gateways.ts';

interface Found {
  reportedAtMs: number;
  sinceMs: number;
}

/**
 * For how long the reports of one region's gateways have been the same: whoever lives reports every few seconds, and
 * whatever its clock says, its next report is another one. It remembers those of the last listing and no others.
 */
export class GatewayReports {
  #last = new Map<string, Found>();

  /** What was listed just now, by a clock that is never set. */
  follow(statuses: readonly GatewayStatus[], nowMs: number): ListedGateway[] {
    const next = new Map<string, Found>();
    for (const { id, reportedAtMs } of statuses) {
      const last = this.#last.get(id);
      next.set(id, last?.reportedAtMs === reportedAtMs ? last : { reportedAtMs, sinceMs: nowMs });
    }
    this.#last = next;
    return statuses.map((status) => ({ ...status, unmovedMs: nowMs - next.get(status.id)!.sinceMs }));
  }
}
