import { chunked, settleBounded } from '../../contexts/base/bounded.ts';
import { mergeJoin } from '../../contexts/base/merge-join.ts';
import { type Envelope, tombstone } from '../../contexts/envelope.ts';
import { type ContextRef, type KindName, refText } from '../../contexts/kinds/index.ts';
import { limits } from '../../contexts/limits.ts';
import { decodeVersion, encodeVersion, schemaVersionMax, type VersionText } from '../../contexts/revision.ts';
import type { Announcement, StoredItem } from '../../contexts/store.ts';
import { type Build, type Draft, invalidReason } from '../../hub/db/builders/index.ts';
import type { SweepCounts } from '../../hub/db/schema.ts';
import { type Changed, type ChangedHead, noCounts, type SweepMark } from '../../hub/db/sweeps.ts';
import type { Publisher } from '../publish.ts';
import { isInPlace } from '../receipts.ts';
import { compare, isAsDrafted, wouldLoosen } from './drift.ts';
import { Expiry, type ExpiryOptions } from './expiry.ts';
import { Phases } from './phases.ts';
import { type Sides, sidesAhead } from './sides.ts';
import { tightens } from './tightening.ts';

/**
 * Compares everything a region should hold with everything it holds, and repairs the difference (law 3).
 *
 * Stages: *compare* (both sides stream in key order and are merged; memory stays flat) -> *settle* (every
 * difference is asked of the store and then of the hub again, because either side may have moved since; what is
 * still different is counted and repaired through the publish step) -> *re-announce* (what changed since the last
 * complete sweep, or everything where there is none: its announcement may have been lost though its put was not) ->
 * *expire* (tombstones past their retention, old feed entries, dead gateways) -> *verify* (the table is marked whole).
 *
 * Unchanged contexts cost no writes, and neither does a sweep that finds nothing.
 */
export interface SweepHub {
  range(kind: KindName, after: string, limit: number): Promise<readonly Draft[]>;
  build(refs: readonly ContextRef[]): Promise<readonly Build[]>;
  /** Draws fresh revisions for those that have a head, and has all regions told. */
  drawRevisions(refs: readonly ContextRef[]): Promise<void>;
  freshRevision(): Promise<{ epoch: number; revision: number }>;
  /** The epoch, and the highest revision drawn so far. */
  highWater(): Promise<{ epoch: number; revision: number }>;
  /** Has everything that is drawn from now on outrank that revision, unless it is too high for that. */
  outrankRevision(revision: number): Promise<'outranked' | 'too-high'>;
  changedSince(mark: string): Promise<Changed>;
  currentMark(): Promise<string>;
  /** Asks once more for what follows placements of the region whose row of the outbox was lost. */
  recallPlacements(): Promise<void>;
  /** Throws when the region is ahead of everything this hub has drawn. */
  checkNotAhead(): Promise<void>;
  /** What time it is by the hub's database, which all publishers share: milliseconds since the Unix epoch. */
  now(): Promise<number>;
}

export interface SweepOptions extends ExpiryOptions {
  hub: SweepHub;
  publisher: Publisher;
  /** Where the last complete sweep got to. */
  since: SweepMark;
  /** The region was unreachable: what changed meanwhile goes first, what tightens before all else (*Behind*). */
  recovery: boolean;
  /** Rows a hub query gives at a time. */
  pageRows: number;
  /** How long a difference may be a refresh that is just under way. */
  settleMs: number;
  onProgress(counts: SweepCounts): Promise<void>;
  /** A difference is left as it is, because mending it might let in somebody who was revoked. */
  onHeldAhead(ref: ContextRef, version: VersionText): void;
}

/** Differences settled together: one wait for all of them. */
const settleBatch = 1000;
/** While one batch is read, built and announced, another is put: a region is seeded at the pace of its puts. */
const batchesAtOnce = 3;
/** Between two reports of progress, each of which is a write at the hub. */
const reportEveryMs = 1000;
/** Announced beyond the mark and remembered by name; with more than that, the next sweep announces them again. */
const tailMax = 1000;

export class Sweep {
  readonly #options: SweepOptions;
  readonly counts: SweepCounts = noCounts();
  /** Live contexts of each kind, in the region or to be there: what the budget of losses is a share of. */
  readonly contexts = new Map<KindName, number>();
  /** Contexts that it did not bring to what the hub derives, or was overtaken at: it proves nothing of them. */
  readonly heldBack = new Set<string>();
  /** Where its time goes. */
  readonly phases: Phases;
  #whole = false;
  #expiry: Expiry;
  #reportedAtMs: number;
  #reporting: Promise<void> = Promise.resolve();

  constructor(options: SweepOptions) {
    this.#options = options;
    this.#reportedAtMs = options.clock.monotonic();
    this.phases = new Phases(options.clock, 'begin');
    this.#expiry = new Expiry(options, 0);
  }

  /** Runs all stages. Returns the mark up to which everything is announced now. Throws where a stage cannot go on. */
  async run(signal: AbortSignal): Promise<SweepMark> {
    const { hub, store, recovery, since } = this.#options;
    const [found, begunAt, begunAtMs] = await Promise.all([
      store.readIdentity(),
      since.mark ?? hub.currentMark(),
      hub.now(),
      hub.checkNotAhead(),
    ]);
    if (found.outcome !== 'identity')
      throw new Error(`the region's store has no identity (${found.outcome})`);
    this.#whole = found.identity.whole;
    this.#expiry = new Expiry(this.#options, begunAtMs);
    await hub.recallPlacements();
    if (recovery) {
      this.phases.enter('catch up');
      await this.#reannounce(begunAt, since.tail, 'what-tightens', signal);
      await this.#reannounce(begunAt, since.tail, 'all', signal);
    }
    const onStray = () => {
      this.counts.orphan += 1;
    };
    for (const [kind, sides] of sidesAhead({ ...this.#options, onStray })) {
      this.phases.enter(kind);
      await this.#compareKind(kind, sides, signal);
    }
    this.phases.enter('re-announce');
    const reached = await this.#reannounce(begunAt, since.tail, 'all', signal);
    this.phases.enter('end');
    await this.#expiry.trim();
    await this.#reporting;
    // What a freeze kept out of the table is missing there: its absence must deny nobody.
    if (!this.#whole && this.counts.frozen === 0) await store.setWhole(found.identity.incarnation, true);
    return reached;
  }

  async #compareKind(kind: KindName, { drafts, held, strays }: Sides, signal: AbortSignal): Promise<void> {
    const { store, publisher, since } = this.#options;
    const suspects = new Map<string, ContextRef>();
    const unannounced: Announcement[] = [];
    const expired: Envelope[] = [];
    let contexts = 0;
    const invalid: Build[] = [];
    for await (const rows of mergeJoin(drafts, held)) {
      signal.throwIfAborted();
      this.counts.scanned += rows.length;
      for (const { left: draft, right: stored } of rows) {
        const key = (draft?.key ?? stored?.key)!;
        if (draft || (stored?.state === 'context' && stored.envelope.bodyText !== null)) contexts += 1;
        const isSame = draft !== undefined && isAsDrafted(draft, stored);
        const build = isSame ? undefined : draft?.build();
        if (build && invalidReason(build) !== undefined) {
          this.counts.quarantined += 1;
          this.heldBack.add(refText(build.ref));
          invalid.push(build);
        }
        if (!isSame && !compare(build, stored).same) suspects.set(key, { kind, key });
        else if (!draft && stored?.state === 'context' && this.#expiry.isOver(stored.envelope))
          expired.push(stored.envelope);
        else if (stored?.state === 'context' && since.mark === null)
          unannounced.push(toAnnouncement(stored.envelope));
        if (unannounced.length >= settleBatch) await this.#announce(unannounced.splice(0));
        if (suspects.size >= settleBatch) {
          await this.#settle([...suspects.values()]);
          suspects.clear();
        }
        if (invalid.length >= settleBatch) await publisher.judge(invalid.splice(0), new Map());
        if (expired.length >= settleBatch) await this.#removeTombstones(expired.splice(0));
      }
      await this.#report();
    }
    await this.#settle([...suspects.values()]);
    if (invalid.length > 0) await publisher.judge(invalid, new Map()); // notes them as held
    this.contexts.set(kind, contexts);
    await this.#announce(unannounced);
    await this.#removeTombstones(expired);
    // Last, when what is to be held has been verified: none of these can be it.
    for (const stray of strays) {
      await store.discard(stray);
      this.counts.written += 1;
    }
    await this.#report();
  }

  /** The store first, then the hub: what the hub says then is not older than what the store had. */
  async #settle(suspects: readonly ContextRef[]): Promise<void> {
    if (suspects.length === 0) return;
    const { clock, settleMs } = this.#options;
    if (this.#whole) await clock.sleep(settleMs);
    const batches = chunked(suspects, limits.batchMax); // of one kind: none of them waits for another
    const results = await settleBounded(batches, batchesAtOnce, (refs) => this.#settleBatch(refs));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #settleBatch(refs: readonly ContextRef[]): Promise<void> {
    const { store, hub, publisher, clock, onHeldAhead } = this.#options;
    publisher.checkNotFrozen();
    const { items } = await store.read(refs);
    const builds = await hub.build(refs);
    const differing = builds.filter((build) => !compare(build, items.get(refText(build.ref))).same);
    // Before a fresh revision is drawn: what is held must not be bumped, and told to all regions, by every sweep.
    const withheld = await publisher.judge(differing, items);
    const repairs: Repair[] = [];
    for (const build of differing) {
      const stored = items.get(refText(build.ref));
      const comparison = compare(build, stored);
      if (comparison.same) continue;
      const left = withheld.get(refText(build.ref));
      this.counts[left?.outcome ?? comparison.drift] += 1;
      const ahead = !left && comparison.drift === 'ahead' && wouldLoosen(build, stored, clock.now());
      if (ahead && stored?.state === 'context') {
        this.counts.heldAhead += 1;
        onHeldAhead(build.ref, stored.envelope.version);
      }
      if (left || ahead) this.heldBack.add(refText(build.ref));
      else repairs.push({ build, stored, needsFreshRevision: comparison.needsFreshRevision });
    }
    await this.#repair(repairs);
  }

  async #repair(repairs: readonly Repair[]): Promise<void> {
    if (repairs.length === 0) return;
    const { hub, publisher } = this.#options;
    const known = repairs.filter((repair) => repair.build.state !== 'unknown');
    const outranked = known.filter((repair) => repair.needsFreshRevision).map((repair) => repair.build.ref);
    await this.#outrank(repairs);
    if (outranked.length > 0) await hub.drawRevisions(outranked);
    const drawn = repairs.some((repair) => repair.needsFreshRevision) ? await this.#drawn() : undefined;
    const replacing = new Map<string, string>();
    for (const { build, stored } of repairs) {
      const seen = stored && seenVersion(stored, drawn);
      if (seen !== undefined) replacing.set(refText(build.ref), seen);
    }
    if (known.length > 0) {
      const { outcomes } = await publisher.publish({
        refs: known.map((repair) => repair.build.ref),
        replacing,
      });
      // `duplicate`: the refresh that a fresh revision sets off was there first. Either way it is mended now.
      for (const [ref, outcome] of outcomes) {
        if (isInPlace(outcome)) this.counts.written += 1;
        else this.heldBack.add(ref);
      }
    }
    const strangers = repairs.filter((repair) => repair.build.state === 'unknown');
    for (const { build } of strangers) await this.#bury(build.ref, replacing.get(refText(build.ref)));
  }

  /** Revisions that were never drawn are passed by, so that gateways that have read them believe the repair. */
  async #outrank(repairs: readonly Repair[]): Promise<void> {
    const { hub } = this.#options;
    if (!repairs.some(({ needsFreshRevision }) => needsFreshRevision)) return;
    const { epoch, revision } = await hub.highWater();
    const above = repairs
      .map(({ stored }) => (stored?.state === 'context' ? decodeVersion(stored.envelope.version) : undefined))
      .filter((version) => version?.epoch === epoch && version.revision > revision)
      .map((version) => version!.revision)
      .sort((a, b) => a - b);
    if (above.length > 0) await hub.checkNotAhead(); // it was not this hub itself, before it was restored
    for (const one of above) if ((await hub.outrankRevision(one)) === 'too-high') return;
  }

  /** A tombstone over something the hub never heard of: only over the very thing that was seen. */
  async #bury(ref: ContextRef, seen: string | undefined): Promise<void> {
    const { hub, publisher } = this.#options;
    const builtAtMs = this.#expiry.keptFromMs();
    const envelope = tombstone({ ...ref, ...(await hub.freshRevision()), builtAtMs });
    const outcome = await publisher.bury(envelope, seen);
    if (outcome !== 'superseded') this.counts.written += 1;
    else this.heldBack.add(refText(ref)); // somebody made it known meanwhile
  }

  /**
   * What is above this was put there by nobody who keeps the protocol: a revision that was never drawn. The check
   * makes sure that it was not this hub itself, before it was restored from a backup.
   */
  async #drawn(): Promise<VersionText> {
    const { hub } = this.#options;
    await hub.checkNotAhead();
    return encodeVersion({ ...(await hub.freshRevision()), schemaVersion: schemaVersionMax });
  }

  /**
   * Announces what changed since `mark`, but for `tail`, and publishes what turns out not to be there. Puts nothing
   * for contexts the region never held.
   */
  async #reannounce(
    mark: string,
    tail: readonly ChangedHead[],
    what: 'what-tightens' | 'all',
    signal: AbortSignal,
  ): Promise<SweepMark> {
    const { hub } = this.#options;
    const { pages, mark: reached } = await hub.changedSince(mark);
    const done = new Set(tail.map(headText));
    const beyond: ChangedHead[] = [];
    for await (const changed of pages) {
      const fresh = changed.filter((head) => !done.has(headText(head)));
      for (const heads of chunked(fresh, limits.batchMax)) {
        signal.throwIfAborted();
        await this.#reannounceBatch(heads, what);
      }
      for (const { kind, key, revision, beyond: isBeyond } of changed)
        if (isBeyond && beyond.length <= tailMax) beyond.push({ kind, key, revision });
      await this.#report('now'); // a million of them take minutes, and a sweep that is silent counts as abandoned
    }
    return { mark: reached, tail: beyond.length <= tailMax ? beyond : [] };
  }

  async #reannounceBatch(refs: readonly ContextRef[], what: 'what-tightens' | 'all'): Promise<void> {
    const { store, hub, publisher } = this.#options;
    publisher.checkNotFrozen();
    const { items } = await store.read(refs);
    const announcements: Announcement[] = [];
    const lacking: ContextRef[] = [];
    for (const build of await hub.build(refs)) {
      const stored = items.get(refText(build.ref));
      if (what === 'what-tightens' && !tightens(build, stored)) continue;
      if (!compare(build, stored).same) lacking.push(build.ref);
      else if (stored?.state === 'context') announcements.push(toAnnouncement(stored.envelope));
      // The item may be lost, and a gateway hold what it was: its deletion is told all the same.
      else if (build.state === 'gone') announcements.push(toAnnouncement(build.envelope));
      if (invalidReason(build) !== undefined) this.heldBack.add(refText(build.ref));
    }
    if (lacking.length > 0) {
      const { outcomes } = await publisher.publish({ refs: lacking });
      for (const [ref, outcome] of outcomes) {
        if (outcome === 'written') this.counts.written += 1;
        if (outcome !== 'held' && outcome !== 'frozen') this.counts.reannounced += 1;
        if (!isInPlace(outcome)) this.heldBack.add(ref);
      }
    }
    await this.#announce(announcements);
  }

  async #announce(announcements: readonly Announcement[]): Promise<void> {
    if (announcements.length > 0) await this.#options.publisher.announce(announcements);
    this.counts.reannounced += announcements.length;
  }

  /** Announced once more first: afterwards nothing in the region tells a gateway that missed it. */
  async #removeTombstones(envelopes: readonly Envelope[]): Promise<void> {
    await this.#announce(envelopes.map(toAnnouncement));
    for (const { kind, key, version } of envelopes) {
      if ((await this.#options.store.expire({ kind, key }, version)) === 'removed') this.counts.expired += 1;
    }
  }

  /** Now and then. Nothing waits for a report but the next one, which meets its error. */
  async #report(when: 'if-due' | 'now' = 'if-due'): Promise<void> {
    const { clock, onProgress } = this.#options;
    if (when === 'if-due' && clock.monotonic() - this.#reportedAtMs < reportEveryMs) return;
    await this.#reporting;
    this.#reportedAtMs = clock.monotonic();
    this.#reporting = onProgress({ ...this.counts });
    this.#reporting.catch(() => {}); // it is awaited later
    if (when === 'now') await this.#reporting;
  }
}

interface Repair {
  build: Build;
  stored: StoredItem | undefined;
  needsFreshRevision: boolean;
}

/**
 * The version text a repair may replace: of what is corrupt, and of what claims a revision beyond any that can be
 * drawn. For all else a fresh revision outranks it, and an ordinary conditional put is safer.
 */
function seenVersion(stored: StoredItem, drawn: VersionText | undefined): string | undefined {
  if (stored.state === 'corrupt') return stored.seen;
  const { version } = stored.envelope;
  return drawn !== undefined && version > drawn ? version : undefined;
}

function headText({ kind, key, revision }: ChangedHead): string {
  return `${kind}/${key}@${revision}`;
}

function toAnnouncement({ kind, key, version, bodyText }: Envelope): Announcement {
  return { kind, key, version, tombstone: bodyText === null };
}
