import type { Random } from '../../contexts/base/random.ts';
import { contentHash } from '../../contexts/envelope.ts';
import { type ContextRef, refText } from '../../contexts/kinds/index.ts';
import { encodeVersion, type VersionText } from '../../contexts/revision.ts';
import type { Announcement, Store } from '../../contexts/store.ts';
import { MemoryStore } from '../../contexts/stores/memory.ts';
import { MemoryTable, type RawContext } from '../../contexts/stores/memory-table.ts';
import type { Faults, Process } from './faults.ts';
import type { Hazards } from './hazards.ts';

export type Tampering = 'remove' | 'edit' | 'garble' | 'advance' | 'stranger';

/** A region's store, what is done to it behind everybody's back, and the check that nothing in it goes back. */
export class SimulatedRegion {
  readonly id: string;
  readonly table = new MemoryTable();
  readonly #memory: MemoryStore;
  readonly #faults: Faults;
  readonly #hazards: Hazards;
  /** One write behind for every context: what a lagging read sees. */
  readonly #behind = new MemoryTable();
  readonly #behindStore = new MemoryStore({ table: this.#behind });
  /** The highest state seen of each context, since somebody last tampered with it. */
  readonly #highest = new Map<string, Pick<RawContext, 'version' | 'hash'>>();
  /** Contexts that were taken away without a trace: their absence is nobody's mistake. */
  readonly lost = new Set<string>();
  /**
   * Contexts somebody gave a version that the hub never made for them. Such a one is not taken away before a sweep has
   * outranked it: gateways may have read it, and then nobody knows what there is to outrank (docs/simulation.md).
   */
  readonly #advanced = new Map<string, VersionText>();
  #strangers = 0;
  /** Announcements that nobody will see, to be made yet. */
  announcementsDoomed = 0;

  constructor(id: string, faults: Faults, hazards: Hazards, random: Random) {
    this.id = id;
    this.#faults = faults;
    this.#hazards = hazards;
    this.#memory = new MemoryStore({ table: this.table, random });
    this.#behind.exists = true;
  }

  get whole(): boolean {
    return this.table.identity?.whole === true;
  }

  /** The store as one process reaches it. `mayLag` tells of which contexts it may be shown an old state. */
  open(process: Process, mayLag: (ref: ContextRef) => boolean): Store {
    const memory = this.#memory;
    const through = <Result>(place: string, work: () => Promise<Result>) =>
      this.#faults.call(process, place, work, this.id);
    return {
      readIdentity: () => through('readIdentity', () => memory.readIdentity()),
      initialise: (wanted, options) => memory.initialise(wanted, options),
      setWhole: (incarnation, whole) => through('setWhole', () => memory.setWhole(incarnation, whole)),
      raiseHighWater: (version) => through('raiseHighWater', () => memory.raiseHighWater(version)),
      read: (refs) => through('read', () => this.#read(process, refs, mayLag)),
      put: (envelope, options) => through('put', () => this.#put(envelope, options)),
      scan: (kind, options) =>
        this.#faults.stream(process, 'scan', () => this.#scan(process, kind, options), this.id),
      discard: (stray) => memory.discard(stray),
      expire: (ref, version) => through('expire', () => this.#expire(ref, version)),
      announce: (announcements, atMs) => through('announce', () => this.#announce(announcements, atMs)),
      readFeed: (after, limit) => through('readFeed', () => memory.readFeed(after, limit)),
      readFeedHead: () => through('readFeedHead', () => memory.readFeedHead()),
      trimFeed: (beforeMs) => through('trimFeed', () => memory.trimFeed(beforeMs)),
      reportGateway: (status) => memory.reportGateway(status),
      listGateways: (nowMs) => memory.listGateways(nowMs),
      trimGateways: (nowMs) => through('trimGateways', () => memory.trimGateways(nowMs)),
      reportKeyUses: (uses) => memory.reportKeyUses(uses),
      listKeyUses: (limit) => memory.listKeyUses(limit),
      removeKeyUses: (uses) => memory.removeKeyUses(uses),
      async [Symbol.asyncDispose]() {},
    };
  }

  /** Past all faults: what is there now. */
  get store(): MemoryStore {
    return this.#memory;
  }

  async #put(envelope: Parameters<Store['put']>[0], options: Parameters<Store['put']>[1]) {
    const before = this.table.raw(envelope);
    const outcome = await this.#memory.put(envelope, options);
    this.#hazards.met(`put: ${outcome}`);
    if (outcome === 'written') {
      if (before) this.#behind.insert(before);
      else this.#behind.delete(envelope);
    }
    return outcome;
  }

  async #announce(announcements: readonly Announcement[], atMs: number) {
    const number = await this.#memory.announce(announcements, atMs);
    if (this.announcementsDoomed > 0) {
      this.announcementsDoomed -= 1;
      this.table.feed.delete(number);
      this.#hazards.met('lost: announcement');
    }
    return number;
  }

  async #read(process: Process, refs: readonly ContextRef[], mayLag: (ref: ContextRef) => boolean) {
    const result = await this.#memory.read(refs);
    const lagging = refs.filter(mayLag);
    if (lagging.length === 0 || !this.#faults.take(process, 'read', 'after', ['lag'])) return result;
    this.#behind.identity = this.table.identity;
    const behind = await this.#behindStore.read(lagging);
    for (const ref of lagging) {
      const item = behind.items.get(refText(ref));
      if (item) result.items.set(refText(ref), item);
      else result.items.delete(refText(ref));
    }
    this.#hazards.met('read: lagging');
    return result;
  }

  #scan(process: Process, ...[kind, options]: Parameters<Store['scan']>) {
    if (!this.table.identity || !this.#faults.take(process, 'scan', 'after', ['lag']))
      return this.#memory.scan(kind, options);
    this.#behind.identity = this.table.identity;
    this.#hazards.met('scan: lagging');
    return this.#behindStore.scan(kind, options);
  }

  async #expire(ref: ContextRef, version: VersionText) {
    const outcome = await this.#memory.expire(ref, version);
    if (outcome === 'removed') {
      // All memory of it is gone from here on: that is what its retention is for.
      this.#highest.delete(refText(ref));
      this.#hazards.met('tombstone: expired');
    }
    return outcome;
  }

  // ------------------------------------------------------------------------------------------------ catastrophes

  /** Returns what was done; undefined where there is nothing to do it to. */
  tamper(how: Tampering, ref: ContextRef, drawn: number, epoch: number): string | undefined {
    const raw = this.table.raw(ref);
    const name = refText(ref);
    if (!this.table.identity || raw === undefined) return undefined;
    if (how === 'remove' && raw.version === this.#advanced.get(name)) return undefined;
    // A denial that is ahead is left to a person, who has no part in this: sweep.test.ts.
    if (how === 'advance' && typeof raw.bodyText !== 'string') return undefined;
    switch (how) {
      case 'remove':
        this.table.delete(ref);
        this.lost.add(name);
        break;
      case 'garble':
        this.table.edit(ref, { hash: 'garbled' });
        break;
      case 'edit':
      case 'advance': {
        // By a hand that keeps to the form: another body, and perhaps a later revision, with the hash they need.
        const revision = Math.max(drawn, 1);
        const version =
          how === 'edit'
            ? (raw.version as VersionText)
            : encodeVersion({ epoch, revision, schemaVersion: 1 });
        const [from, to] = how === 'edit' ? ['active', 'disabled'] : [/disabled|suspended/, 'active'];
        const bodyText =
          typeof raw.bodyText === 'string'
            ? raw.bodyText.replace(from, to).replace(/}$/, ',"tampered":true}')
            : null;
        if (how === 'advance') this.#advanced.set(name, version);
        this.table.edit(ref, { version, bodyText, hash: contentHash(ref.kind, ref.key, version, bodyText) });
        break;
      }
      case 'stranger': {
        const key = `ten_stranger${++this.#strangers}`;
        const version = encodeVersion({ epoch, revision: Math.max(drawn, 1), schemaVersion: 1 });
        const bodyText = '{"name":"x","status":"active"}';
        const hash = contentHash('tenant', key, version, bodyText);
        this.table.insert({ kind: 'tenant', key, version, bodyText, hash, builtAtMs: 0 });
        return `tenant/${key}`;
      }
    }
    this.#highest.delete(name);
    this.#behind.delete(ref);
    return name;
  }

  drop(): boolean {
    const advanced = [...this.#advanced].some(([name, at]) => this.table.contexts.get(name)?.version === at);
    if (!this.table.exists || advanced) return false;
    for (const name of this.table.contexts.keys()) this.#behind.contexts.delete(name);
    this.table.drop();
    this.#highest.clear();
    return true;
  }

  // ------------------------------------------------------------------------------------------------------- law 2

  /** What went back since the last look. */
  wentBack(): string[] {
    const found: string[] = [];
    for (const [name, highest] of this.#highest) {
      const raw = this.table.contexts.get(name);
      if (raw === undefined) found.push(`${name} at ${highest.version} is there no more`);
      else if ((raw.version as string) < (highest.version as string))
        found.push(`${name} went from ${highest.version} back to ${raw.version}`);
      else if (raw.version === highest.version && raw.hash !== highest.hash)
        found.push(`${name} has another content than before at ${raw.version}`);
    }
    for (const [name, raw] of this.table.contexts) this.#highest.set(name, raw);
    return found.map((what) => `law 2: in the store of ${this.id}, ${what}`);
  }
}
