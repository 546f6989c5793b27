import type { Clock } from '../../../contexts/base/clock.ts';
import { denies, endsAtMs } from '../../../contexts/denial.ts';
import { seal, tombstone } from '../../../contexts/envelope.ts';
import { type ContextRef, type KindName, kindNames, refText } from '../../../contexts/kinds/index.ts';
import type { Build, Draft } from '../../../hub/db/builders/index.ts';
import type { Change, Takes } from '../../../hub/db/outbox.ts';
import type { ChangedHead, SweepMark } from '../../../hub/db/sweeps.ts';
import type { PlacedCluster } from '../../../publisher/relay.ts';
import { draftOf } from '../../support/drafts.ts';
import { addToOutbox, type CaptureContext, placementKey, regionsOf, touchHead } from './capture.ts';
import { Database, type Rows, type Transaction } from './database.ts';

/**
 * The hub's database in memory: what hub/db does in SQL, statement by statement, so that the publisher's ports mean
 * here what they mean over Postgres. Each method is one statement, or one transaction, unless it says otherwise.
 */
export class SimulatedHub {
  readonly database = new Database();
  readonly regions: readonly string[];
  readonly #clock: Clock;
  epoch = 1;
  deletionsKeepRevision = false;
  /** The marks of complete sweeps, by region. */
  readonly #marks = new Map<string, SweepMark>();
  /** Which commit drew a revision: tells what was true when a version was made. */
  readonly commitOf = new Map<number, number>();
  /** `NOTIFY`: there may be something in the outbox. */
  onNotify: () => void = () => {};
  onCommitted: () => void = () => {};
  /** A lease was over, and its row is another relay's now. */
  onTakenOver: () => void = () => {};
  /** The secret that a verifier was made of, which only its maker knows. */
  secretOf: (verifier: string) => string = () => '';

  constructor(clock: Clock, regions: readonly string[]) {
    this.#clock = clock;
    this.regions = regions;
    this.database.onCommit = (tx) => {
      for (const head of tx.written('heads')) this.commitOf.set(head.revision, this.database.commits);
      this.onCommitted();
      if (tx.written('outbox').length > 0) this.onNotify();
    };
  }

  capture(tx: Transaction): CaptureContext {
    const { regions, deletionsKeepRevision } = this;
    return { tx, nowMs: this.#clock.now(), regions, deletionsKeepRevision };
  }

  // -------------------------------------------------------------------------------------------------- the relay

  claim(claim: { claimant: string; leaseMs: number; limit: number; takes: Takes }): Change[] {
    const now = this.#clock.now();
    const { outbox } = this.database.committed;
    return [...outbox.values()]
      .filter((row) => (row.cause === 'placement') === (claim.takes === 'placements'))
      .filter((row) => row.claimedBy === null || row.claimedUntilMs < now)
      .sort((a, b) => Number(b.tightens) - Number(a.tightens) || a.id - b.id)
      .slice(0, claim.limit)
      .map(({ claimedBy, claimedUntilMs: _, ...row }) => {
        if (claimedBy !== null) this.onTakenOver();
        const claimed = { ...row, claimedBy: claim.claimant, claimedUntilMs: now + claim.leaseMs };
        outbox.set(String(row.id), claimed);
        return row;
      });
  }

  complete(claimant: string, ids: readonly number[]): void {
    for (const row of this.#claimed(claimant, ids)) this.database.committed.outbox.delete(String(row.id));
  }

  release(claimant: string, ids: readonly number[]): void {
    for (const row of this.#claimed(claimant, ids)) {
      this.database.committed.outbox.set(String(row.id), { ...row, claimedBy: null, claimedUntilMs: 0 });
    }
  }

  renew(claim: { claimant: string; leaseMs: number }, ids: readonly number[]): void {
    const claimedUntilMs = this.#clock.now() + claim.leaseMs;
    for (const row of this.#claimed(claim.claimant, ids)) {
      this.database.committed.outbox.set(String(row.id), { ...row, claimedUntilMs });
    }
  }

  #claimed(claimant: string, ids: readonly number[]): Rows['outbox'][] {
    return ids
      .map((id) => this.database.committed.outbox.get(String(id)))
      .filter((row) => row !== undefined && row.claimedBy === claimant) as Rows['outbox'][];
  }

  holders(refs: readonly ContextRef[]): Map<string, readonly string[]> {
    const { agentKeys } = this.database.committed;
    const now = this.capture(this.#reader);
    const holders = new Map<string, readonly string[]>();
    for (const { kind, key } of refs) {
      if (kind === 'tenant') holders.set(refText({ kind, key }), regionsOf(now, { tenant: key }));
      if (kind === 'cluster') holders.set(refText({ kind, key }), regionsOf(now, { cluster: key }));
      const row = kind === 'agent-key' ? agentKeys.get(key) : undefined;
      if (row) holders.set(refText({ kind, key }), regionsOf(now, { cluster: row.clusterId }));
    }
    return holders;
  }

  /** `regionsHolding`. */
  holding(clusterId: string): string[] {
    return this.#held(this.#reader, { clusterId }, 'now');
  }

  /**
   * `cascadePlacements`, a transaction a chunk. `between` is awaited wherever it waits for the database.
   * @throws BlockedError where somebody holds a lock for too long.
   */
  async cascade(
    placed: readonly PlacedCluster[],
    options: { chunk: number; onProgress(): Promise<void>; between(): Promise<void> },
  ): Promise<void> {
    this.#cascadeToTenants(placed);
    await options.onProgress();
    const clusterIds = new Set(placed.map(({ clusterId }) => clusterId));
    let after = '';
    for (;;) {
      const keys = [...this.database.committed.agentKeys.values()]
        .filter(({ id, clusterId }) => clusterIds.has(clusterId) && id > after)
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, options.chunk);
      if (keys.length === 0) break;
      await options.between();
      this.database.transact((tx) => {
        const context = this.capture(tx);
        for (const { id } of keys) touchHead(context, 'agent-key', id, null);
        for (const { id, clusterId } of keys)
          this.#tell(context, { kind: 'agent-key', key: id }, this.#held(tx, { clusterId }, 'now'), false);
      });
      after = keys.at(-1)!.id;
      await options.onProgress();
    }
  }

  /** All that is judged is judged before anything is marked as settled. */
  #cascadeToTenants(placed: readonly PlacedCluster[]): void {
    this.database.transact((tx) => {
      const context = this.capture(tx);
      const all = tx.all('holdings');
      const held = placed.flatMap((cluster) =>
        all
          .filter((row) => row.clusterId === cluster.clusterId)
          .map((row) => ({ row, leaves: cluster.leaves })),
      );
      for (const { row } of held) tx.lock('holdings', placementKey(row.clusterId, row.region), 'update');
      const live = held.map(({ row }) => row).filter((row) => row.untilMs === null);
      const reliesOnNobody = (row: (typeof live)[number]) =>
        row.untilMs === null &&
        !all.some(
          (other) =>
            other.tenantId === row.tenantId &&
            other.clusterId !== row.clusterId &&
            other.region === row.region &&
            other.settled &&
            other.untilMs === null,
        );
      const concerned = held.filter(({ row, leaves }) => leaves || reliesOnNobody(row));
      for (const tenantId of new Set(concerned.map(({ row }) => row.tenantId))) {
        if (tx.get('heads', refText({ kind: 'tenant', key: tenantId })))
          touchHead(context, 'tenant', tenantId, null);
        const regions = this.#held(tx, { tenantId }, 'now');
        this.#tell(context, { kind: 'tenant', key: tenantId }, regions, false);
      }
      for (const row of live)
        tx.write('holdings', placementKey(row.clusterId, row.region), { ...row, settled: true });
    });
  }

  /** `cascadeDeparture`. */
  depart({ clusterId, arrives }: PlacedCluster): void {
    this.database.transact((tx) => {
      const context = this.capture(tx);
      const tightens = !arrives;
      const left = this.#held(tx, { clusterId }, 'lately');
      for (const key of this.#keysOf(tx.all('agentKeys'), clusterId))
        this.#tell(context, { kind: 'agent-key', key }, left, tightens);
      this.#tell(context, { kind: 'cluster', key: clusterId }, left, tightens);
      const holding = tx.all('holdings').find((row) => row.clusterId === clusterId);
      if (!holding) return;
      const { tenantId } = holding;
      const now = this.#held(tx, { tenantId }, 'now');
      const leftByTenant = this.#held(tx, { tenantId }, 'lately').filter((region) => !now.includes(region));
      this.#tell(context, { kind: 'tenant', key: tenantId }, leftByTenant, tightens);
    });
  }

  #tell(context: CaptureContext, ref: ContextRef, regions: readonly string[], tightens: boolean): void {
    if (regions.length > 0) addToOutbox(context, { ...ref, regions, cause: 'dependent', tightens });
  }

  /** Regions with a holding that is there now, or that ended within the last day. */
  #held(tx: Transaction, of: { clusterId: string } | { tenantId: string }, when: 'now' | 'lately'): string[] {
    const dayAgo = this.#clock.now() - 86_400_000;
    const regions = tx
      .all('holdings')
      .filter((row) => ('clusterId' in of ? row.clusterId === of.clusterId : row.tenantId === of.tenantId))
      .filter(({ untilMs }) => (when === 'now' ? untilMs === null : untilMs !== null && untilMs > dayAgo))
      .map((row) => row.region);
    return [...new Set(regions)].sort();
  }

  #keysOf(rows: Iterable<Rows['agentKeys']>, clusterId: string): string[] {
    return [...rows]
      .filter((row) => row.clusterId === clusterId)
      .map((row) => row.id)
      .sort();
  }

  // ------------------------------------------------------------------------------------------------ the builders

  build(region: string, refs: readonly ContextRef[]): Build[] {
    return refs.map((ref) => this.#build(region, ref));
  }

  range(region: string, kind: KindName, after: string, limit: number): Draft[] {
    return [...this.database.committed.heads.values()]
      .filter((head) => head.kind === kind && head.key > after)
      .map((head) => ({ ...head, epoch: this.epoch, body: this.#derive(region, head) }))
      .filter(({ body }) => body !== undefined)
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .slice(0, limit)
      .map((head) => draftOf(this.#build(region, head), head));
  }

  #build(region: string, { kind, key }: ContextRef): Build {
    const ref = { kind, key };
    const head = this.database.committed.heads.get(refText(ref));
    if (!head) return { ref, state: 'unknown' };
    const named = { ...ref, epoch: this.epoch, revision: head.revision, builtAtMs: this.#clock.now() };
    const body = this.#derive(region, ref);
    if (body === undefined)
      return { ref, state: 'gone', envelope: tombstone(named), deleted: head.deleted, intended: false };
    const sealed = seal({ ...named, body });
    const denying = denies(kind, body, named.builtAtMs);
    if (sealed.outcome === 'sealed')
      return {
        ref,
        state: 'live',
        envelope: sealed.envelope,
        denies: denying,
        endsAtMs: endsAtMs(kind, body),
        intended: false,
      };
    return { ref, state: 'invalid', revision: head.revision, reason: sealed.reason };
  }

  #derive(region: string, { kind, key }: ContextRef): unknown {
    const { tenants, clusters, placements, agentKeys } = this.database.committed;
    switch (kind) {
      case 'tenant': {
        const row = tenants.get(key);
        const held = [...placements.values()].some(
          (placement) => placement.region === region && clusters.get(placement.clusterId)?.tenantId === key,
        );
        return row && held ? { name: row.name, status: row.status } : undefined;
      }
      case 'cluster': {
        const row = clusters.get(key);
        const placement = placements.get(placementKey(key, region));
        if (!row || !placement) return undefined;
        const { tenantId, name, status } = row;
        return {
          tenantId,
          name,
          status,
          upstreamUrl: placement.upstreamUrl ?? row.upstreamUrl,
          settings: {},
        };
      }
      case 'agent-key': {
        const row = agentKeys.get(key);
        const cluster = row && clusters.get(row.clusterId);
        if (!cluster || !placements.has(placementKey(row.clusterId, region))) return undefined;
        const { clusterId, verifier, status, expiresAtMs } = row;
        return { tenantId: cluster.tenantId, clusterId, verifier, status, expiresAtMs, permissions: [] };
      }
    }
  }

  // ---------------------------------------------------------------------------------------------------- sweeps

  drawRevisions(refs: readonly ContextRef[]): void {
    this.database.transact((tx) => {
      const context = this.capture(tx);
      for (const kind of kindNames) {
        for (const ref of refs) {
          if (ref.kind !== kind || !tx.get('heads', refText(ref))) continue;
          touchHead(context, kind, ref.key, null);
          addToOutbox(context, { ...ref, regions: [], cause: 'repair', tightens: false });
        }
      }
    });
  }

  freshRevision(): { epoch: number; revision: number } {
    return { epoch: this.epoch, revision: ++this.database.revision };
  }

  outrankRevision(revision: number): 'outranked' | 'too-high' {
    if (revision > 2 ** 52) return 'too-high';
    this.database.revision = Math.max(this.database.revision, revision);
    return 'outranked';
  }

  highWater(): { epoch: number; revision: number } {
    return { epoch: this.epoch, revision: this.database.revision };
  }

  currentMark(): string {
    return String(this.database.xmin);
  }

  recallPlacements(region: string): void {
    this.database.transact((tx) => {
      for (const row of tx.all('holdings')) {
        if (row.region !== region || row.untilMs !== null || row.settled) continue;
        const ref = { kind: 'cluster' as const, key: row.clusterId };
        const pending = tx.all('outbox').some(({ cause, key }) => cause === 'placement' && key === ref.key);
        if (!pending)
          addToOutbox(this.capture(tx), { ...ref, regions: [region], cause: 'placement', tightens: false });
      }
    });
  }

  /** `changedSince` of a region that was swept within the hour. */
  changedSince(
    mark: string,
    region: string,
  ): { changed: (ChangedHead & { beyond: boolean })[]; mark: string } {
    const { xmin } = this.database;
    const changed = [...this.database.committed.heads.values()]
      .filter((head) => head.xid >= Number(mark))
      .filter((head) => head.deleted || this.holders([head]).get(refText(head))?.includes(region))
      .sort((a, b) => Number(b.deleted) - Number(a.deleted) || (refText(a) < refText(b) ? -1 : 1))
      .map(({ kind, key, revision, xid }) => ({ kind, key, revision, beyond: xid >= xmin }));
    return { changed, mark: String(xmin) };
  }

  lastMark(region: string): SweepMark {
    return this.#marks.get(region) ?? { mark: null, tail: [] };
  }

  restoreMarks(marks: ReadonlyMap<string, SweepMark>): void {
    for (const [region, mark] of marks) this.#marks.set(region, mark);
  }

  /** As after the database was loaded from a dump: no mark of before counts. */
  forgetSweeps(region: string): void {
    this.#marks.delete(region);
  }

  completeSweep(region: string, reached: SweepMark): void {
    this.#marks.set(region, reached);
  }

  /** Reads only, so it is never committed. */
  get #reader(): Transaction {
    const tx = this.database.begin();
    tx.rollback();
    return tx;
  }
}
