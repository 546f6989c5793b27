/** What a run met, by name: a suite whose hazards never happen tests nothing. */
export class Hazards {
  readonly counts = new Map<string, number>();

  met(name: string, times = 1): void {
    if (times > 0) this.counts.set(name, (this.counts.get(name) ?? 0) + times);
  }

  add(others: Hazards): void {
    for (const [name, times] of others.counts) this.met(name, times);
  }

  /** As lines of a table, most frequent first. */
  lines(): string[] {
    const width = Math.max(0, ...[...this.counts.keys()].map((name) => name.length));
    return [...this.counts]
      .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
      .map(([name, times]) => `${name.padEnd(width)}  ${String(times).padStart(9)}`);
  }
}

/** Where a publisher waits for somebody else: each is a place at which it may freeze, before and after. */
export const publisherPlaces = [
  // of the relay
  ...['claim', 'holders', 'enqueue', 'complete', 'renew', 'release'],
  ...['holding', 'cascade', 'cascade-chunk', 'arrival', 'depart'],
  // of building
  ...[
    'build',
    'range',
    'drawRevisions',
    'freshRevision',
    'changedSince',
    'recallPlacements',
    'currentMark',
    'highWater',
    'completeSweep',
  ],
  // of the region's store
  ...['readIdentity', 'raiseHighWater', 'put', 'announce', 'read', 'scan', 'expire', 'setWhole'],
  ...['trimFeed', 'trimGateways'],
] as const;

/** Where a gateway waits for its store. */
export const gatewayPlaces = ['readIdentity', 'readFeedHead', 'readFeed', 'read'] as const;

const frozen = (process: string, places: readonly string[]) =>
  places.flatMap((place) => [`frozen: ${process} before ${place}`, `frozen: ${process} after ${place}`]);

/** What a whole suite must have met. */
export const required: readonly string[] = [
  ...frozen('publisher', publisherPlaces),
  ...frozen('gateway', gatewayPlaces),
  'put: written',
  'put: duplicate',
  'put: superseded',
  'fill: behind',
  'fill: not-whole',
  'fill: unavailable',
  'feed: gap',
  'feed: new-incarnation',
  'feed: looking-again',
  'feed: read and not in force',
  'announcement: known',
  'announcement: superseded',
  'announcement: tombstoned',
  'lost: outbox row',
  'lost: job',
  'lost: announcement',
  'lost: head of the feed',
  'lost: table',
  'lost: marks of sweeps',
  'table not whole',
  'job: duplicated',
  'job: out of order',
  'job: redelivered after a stall',
  'job: failed',
  'job: failed for good',
  'handed over: published',
  'handed over: left',
  'read: lagging',
  'scan: lagging',
  'store: unavailable',
  'store: throttled',
  'store: answer lost',
  'store: outage',
  'publisher: crashed',
  'gateway: restarted',
  'boot: from a snapshot, recent',
  'boot: from a snapshot, aged',
  'answer: from a snapshot',
  'snapshot: written',
  'clock: stepped',
  'hub: restored',
  'transaction: blocked',
  'transaction: committed late',
  'transaction: rolled back',
  'cascade: blocked',
  'lease: taken over',
  'snapshot: too old to put',
  'tombstone: expired',
  'sweep: completed',
  'sweep: failed',
  ...['missing', 'stale', 'corrupt', 'orphan', 'ahead'].map((drift) => `drift: ${drift}`),
  'request: woken after its process died',
];
