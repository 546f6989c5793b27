import { systemClock as clock } from '../../contexts/base/clock.ts';
import { isKindName, refText } from '../../contexts/kinds/index.ts';
import { decodeVersion } from '../../contexts/revision.ts';
import type { Announcement, Store } from '../../contexts/store.ts';
import { type Answer, idOf, things } from './answers.ts';
import { type Denial, denies, type Suspicion } from './judge.ts';

/** An acceptance may follow the announcement of a denial by this much. */
const acceptedForMs = 1_000;
/** How long a gateway that could not read its store, or was frozen, may take to be itself again. */
const recoveryMs = 3_000;
const keptMax = 50;
const suspicionsMax = 200;

/**
 * Reads one region's feed as its gateways do, to know from when on each denial could be known there. What an
 * announcement announces is read from the store at once: of a tombstone it need not be.
 */
export class FeedWatch {
  readonly #region: string;
  readonly #store: Store;
  readonly #denials = new Map<string, { denial: Denial; body: Record<string, unknown> | undefined }[]>();
  readonly suspicions = new Map<string, Suspicion>();
  announcements = 0;
  denialsSeen = 0;
  acceptancesChecked = 0;

  constructor(region: string, store: Store) {
    this.#region = region;
    this.#store = store;
  }

  async run(signal: AbortSignal): Promise<void> {
    let after: number | undefined;
    while (!signal.aborted) {
      try {
        after ??= (await this.#store.readFeedHead()).number;
        const { entries } = await this.#store.readFeed(after, 100);
        for (const entry of entries) await this.#announced(entry.announcements, clock.now());
        after = entries.at(-1)?.number ?? after;
      } catch {
        await clock.sleep(50); // the store is gone for now, for gateways as well
      }
      await clock.sleep(20);
    }
  }

  /** An answer of a gateway of the region that has been calm since then: is it one that should no longer be given? */
  check(answer: Answer, calmSinceMs: number): void {
    if (answer.saying.says !== 'granted') return;
    const { credential, startMs } = answer;
    if (startMs <= calmSinceMs + recoveryMs + acceptedForMs) return;
    this.acceptancesChecked += 1;
    for (const thing of things) {
      const name = `${thing}/${idOf(credential, thing)}`;
      const late = this.#denials
        .get(name)
        ?.filter(({ body }) => body === undefined || denies(thing, body, credential))
        .filter(({ denial }) => startMs > denial.announcedAtMs + acceptedForMs)
        .map(({ denial }) => denial);
      const newest = late?.reduce((a, b) => (a.revision > b.revision ? a : b), late[0]!);
      const suspicion = `${answer.gateway} ${credential.keyId} ${name}@${newest?.revision}`;
      if (newest && this.suspicions.size < suspicionsMax && !this.suspicions.has(suspicion))
        this.suspicions.set(suspicion, { denial: newest, answer });
    }
  }

  async #announced(announcements: readonly Announcement[], atMs: number): Promise<void> {
    this.announcements += announcements.length;
    for (const one of announcements) if (one.tombstone) this.#denies(one, atMs, undefined);
    const live = announcements.filter(({ tombstone }) => !tombstone);
    if (live.length === 0) return;
    const { items } = await this.#store.read(live.map(({ kind, key }) => ({ kind, key })));
    for (const one of live) {
      const item = items.get(refText(one));
      if (item?.state !== 'context' || item.envelope.version !== one.version) continue; // and announced anew
      if (item.envelope.bodyText !== null)
        this.#denies(one, atMs, JSON.parse(item.envelope.bodyText) as Record<string, unknown>);
    }
  }

  #denies(one: Announcement, announcedAtMs: number, body: Record<string, unknown> | undefined): void {
    const name = refText(one);
    const { revision } = decodeVersion(one.version)!;
    const known = this.#denials.get(name) ?? [];
    if (!isKindName(one.kind) || one.kind === 'heartbeat') return; // it denies nobody
    if (known.some(({ denial }) => denial.revision === revision)) return;
    // Of an agent key, whether it denies depends on the secret that is shown; of all else, on the status alone.
    if (body && one.kind !== 'agent-key' && body.status === 'active') return;
    this.denialsSeen += 1;
    known.push({ denial: { thing: one.kind, id: one.key, revision, announcedAtMs }, body });
    this.#denials.set(name, known.slice(-keptMax));
  }

  get region(): string {
    return this.#region;
  }
}
