import type { Clock } from '../../contexts/base/clock.ts';
import { denies, endsAtMs } from '../../contexts/denial.ts';
import { seal, tombstone } from '../../contexts/envelope.ts';
import { type ContextRef, type KindName, refText } from '../../contexts/kinds/index.ts';
import type { Store } from '../../contexts/store.ts';
import type { Build, Draft } from '../../hub/db/builders/index.ts';
import type { Changed, ChangedHead } from '../../hub/db/sweeps.ts';
import { checkNotAhead } from '../../publisher/ahead.ts';
import type { PublisherPort } from '../../publisher/publish.ts';
import type { SweepHub } from '../../publisher/sweep/sweep.ts';
import { draftOf } from '../support/drafts.ts';

interface Head extends ContextRef {
  revision: number;
  /** Null: the region is to hold nothing. */
  body: unknown;
  /** Its last change was meant as it is. */
  intended: boolean;
  xid: number;
}

/** The hub as one region's publisher sees it, in memory: a ledger of heads, every change a transaction of its own. */
export class FakeHub implements SweepHub, PublisherPort {
  readonly heads = new Map<string, Head>();
  readonly #clock: Clock;
  readonly #store: Store;
  epoch = 1;
  /** How far its clock is ahead of the publisher's. */
  clockAheadMs = 0;
  /** The last revision drawn. */
  drawn = 0;
  /** The next transaction's id. */
  xid = 100;
  /** A transaction that is still running, so that everything from it on is not below any mark. */
  runningXid: number | undefined;
  /** What the hub was asked, in order, for tests that care. */
  readonly asked: string[] = [];
  /** Called before each answer, so that a test can change something in between. */
  onAsk: ((what: 'range' | 'build') => void) | undefined;

  constructor(clock: Clock, store: Store) {
    this.#clock = clock;
    this.#store = store;
  }

  /** A context changes: a fresh revision, in a transaction of its own. Returns what a publisher would build. */
  set(ref: ContextRef, body: unknown, intended = false): Build {
    this.heads.set(refText(ref), { ...ref, body, intended, revision: ++this.drawn, xid: this.xid++ });
    return this.#build(ref);
  }

  remove(ref: ContextRef): Build {
    return this.set(ref, null);
  }

  /** The derived content changes without the capture noticing. */
  alter(ref: ContextRef, body: unknown): void {
    this.heads.get(refText(ref))!.body = body;
  }

  async range(kind: KindName, after: string, limit: number): Promise<Draft[]> {
    this.onAsk?.('range');
    this.asked.push(`range ${kind} ${after}`);
    return [...this.heads.values()]
      .filter((head) => head.kind === kind && head.key > after && head.body !== null)
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .slice(0, limit)
      .map((head) => draftOf(this.#build({ kind, key: head.key }), { ...head, epoch: this.epoch }));
  }

  async build(refs: readonly ContextRef[]): Promise<Build[]> {
    this.onAsk?.('build');
    this.asked.push(`build ${refs.map(refText).join(' ')}`);
    return refs.map((ref) => this.#build(ref));
  }

  async drawRevisions(refs: readonly ContextRef[]): Promise<void> {
    for (const ref of refs) {
      const head = this.heads.get(refText(ref));
      if (head) this.heads.set(refText(ref), { ...head, revision: ++this.drawn, xid: this.xid++ });
    }
  }

  async freshRevision() {
    return { epoch: this.epoch, revision: ++this.drawn };
  }

  async highWater() {
    return { epoch: this.epoch, revision: this.drawn };
  }

  async outrankRevision(revision: number) {
    if (revision > 2 ** 52) return 'too-high' as const;
    this.drawn = Math.max(this.drawn, revision);
    return 'outranked' as const;
  }

  async currentMark(): Promise<string> {
    return String(this.runningXid ?? this.xid);
  }

  async recallPlacements(): Promise<void> {}

  async changedSince(mark: string): Promise<Changed> {
    const reached = this.runningXid ?? this.xid;
    const changed = [...this.heads.values()]
      .filter((head) => head.xid >= Number(mark))
      .map(({ kind, key, revision, xid }) => ({ kind, key, revision, beyond: xid >= reached }));
    return { pages: inPages(changed), mark: String(reached) };
  }

  checkNotAhead(): Promise<void> {
    return checkNotAhead('r1', this.#store, async () => ({ epoch: this.epoch, revision: this.drawn }));
  }

  async checkRun(): Promise<void> {}

  async now(): Promise<number> {
    return this.#clock.now() + this.clockAheadMs;
  }

  #build(ref: ContextRef): Build {
    const head = this.heads.get(refText(ref));
    if (!head) return { ref, state: 'unknown' };
    const { revision, body, intended } = head;
    const version = { ...ref, epoch: this.epoch, revision, builtAtMs: this.#clock.now() };
    if (body === null) return { ref, state: 'gone', envelope: tombstone(version), deleted: true, intended };
    const sealed = seal({ ...version, body });
    const denying = denies(ref.kind, body, version.builtAtMs);
    if (sealed.outcome === 'sealed')
      return {
        ref,
        state: 'live',
        envelope: sealed.envelope,
        denies: denying,
        endsAtMs: endsAtMs(ref.kind, body),
        intended,
      };
    return { ref, state: 'invalid', revision, reason: sealed.reason };
  }
}

/** By twos, so that what belongs together is cut apart. */
async function* inPages(changed: readonly (ChangedHead & { beyond: boolean })[]) {
  for (let at = 0; at < changed.length; at += 2) yield changed.slice(at, at + 2);
}

export const tenantOf = (key: string): ContextRef => ({ kind: 'tenant', key });
export const clusterOf = (key: string): ContextRef => ({ kind: 'cluster', key });
export const keyOf = (key: string): ContextRef => ({ kind: 'agent-key', key });

export const tenantBody = (name = 'Acme') => ({ name, status: 'active' });
export const clusterBody = (upstreamUrl = 'https://up.example') => ({
  tenantId: 'ten_1',
  name: 'c',
  status: 'active',
  upstreamUrl,
  settings: {},
});
export const keyBody = (status = 'active') => ({
  tenantId: 'ten_1',
  clusterId: 'vci_1',
  verifier: 'v'.repeat(43),
  status,
  expiresAtMs: null,
  permissions: [],
});
/** Breaks the schema: it must not be published. */
export const brokenBody = { name: '', status: 'active' };
