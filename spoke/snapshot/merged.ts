import { refText } from '../../contexts/kinds/index.ts';
import type { Holding } from '../cache/holding.ts';
import { newest } from '../cache/judge.ts';
import type { SnapshotRecord } from './record.ts';

/**
 * What a snapshot and the journals that go on from it say together: the memory of the gateway that wrote them.
 *
 * Records are applied in the order in which they were written. Nothing goes back by them (law 2): a tombstone gives
 * way only to something newer, and so does a body. What was announced and never read is a floor, as in the cache.
 */
export class MergedHoldings {
  /** By `refText`, in the order in which they were first named: least recently used first. */
  readonly held = new Map<string, Holding>();

  take = (records: Iterable<SnapshotRecord>): void => {
    for (const record of records) this.#apply(record);
  };

  #apply(record: SnapshotRecord): void {
    const ref = refText(record);
    const held = this.held.get(ref);
    switch (record.is) {
      case 'live':
      case 'tombstone': {
        if (held === undefined && record.is === 'live') {
          this.held.set(ref, record);
          return;
        }
        const { kind, key, version, suspect } = record;
        const bodyText = record.is === 'live' ? record.bodyText : null;
        if (held !== undefined && (held.version > version || revives(held, version, bodyText))) return;
        const announced = newest(record.floor, held?.floor);
        const floor = announced !== undefined && announced > version ? announced : undefined;
        this.held.set(ref, { kind, key, version, bodyText, floor, suspect });
        return;
      }
      case 'superseded':
        if (held !== undefined && record.version > held.version)
          held.floor = newest(held.floor, record.version);
        return;
      case 'absent':
        if (held !== undefined && (record.version === undefined || held.version <= record.version))
          this.held.delete(ref);
    }
  }
}

function revives(held: Holding, version: string, bodyText: string | null): boolean {
  return held.bodyText === null && held.version === version && bodyText !== null;
}
