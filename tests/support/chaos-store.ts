import type { Envelope } from '../../contexts/envelope.ts';
import type { ContextRef, KindName } from '../../contexts/kinds/index.ts';
import type { VersionText } from '../../contexts/revision.ts';
import {
  type Announcement,
  type GatewayStatus,
  type IdentityOwner,
  type KeyUses,
  type ScanOptions,
  type Store,
  type StoredItem,
  StoreError,
  type Stray,
} from '../../contexts/store.ts';
import { Gate } from './gate.ts';

export type StoreOperation = Exclude<keyof Store, symbol>;

interface Hazard {
  operations: readonly StoreOperation[];
  left: number;
  hits: number;
  before?(): Promise<void>;
  after?(): Promise<void>;
}

/** Tells whether what the test set up really happened. */
export interface Hit {
  wasHit(): boolean;
  readonly hits: number;
}

/**
 * A store (any one: it wraps the real thing and replaces nothing) that fails, loses answers and waits when told
 * to, and counts what it was asked.
 */
export class ChaosStore implements Store {
  readonly inner: Store;
  readonly #counts = new Map<StoreOperation, number>();
  readonly #hazards: Hazard[] = [];

  constructor(inner: Store) {
    this.inner = inner;
  }

  /** How often those operations were called, or all; a scan counts once. */
  count(...operations: StoreOperation[]): number {
    const names = operations.length > 0 ? operations : [...this.#counts.keys()];
    return names.reduce((sum, name) => sum + (this.#counts.get(name) ?? 0), 0);
  }

  resetCounts(): void {
    this.#counts.clear();
  }

  /** The next `times` calls of `operation` throw, before anything has happened. */
  failNext(operation: StoreOperation | readonly StoreOperation[], times = 1, error = unavailable()): Hit {
    return this.#add({
      operations: [operation].flat(),
      left: times,
      hits: 0,
      before: () => Promise.reject(error),
    });
  }

  /** The next `times` calls of `operation` happen, and throw afterwards. */
  loseNextAnswer(operation: StoreOperation, times = 1, error = unavailable()): Hit {
    return this.#add({ operations: [operation], left: times, hits: 0, after: () => Promise.reject(error) });
  }

  /** The next `times` calls of `operation` wait at the gate before they happen. */
  holdNext(operation: StoreOperation | readonly StoreOperation[], times = 1): Gate {
    const gate = new Gate();
    this.#add({ operations: [operation].flat(), left: times, hits: 0, before: () => gate.pass() });
    return gate;
  }

  /** The next `times` calls of `operation` happen at once, and their answers wait at the gate. */
  holdNextAnswer(operation: StoreOperation, times = 1): Gate {
    const gate = new Gate();
    this.#add({ operations: [operation], left: times, hits: 0, after: () => gate.pass() });
    return gate;
  }

  /** Every call throws until the returned function is called. */
  outage(error = unavailable()): () => void {
    const hazard = {
      operations: [],
      left: Number.POSITIVE_INFINITY,
      hits: 0,
      before: () => Promise.reject(error),
    };
    this.#hazards.unshift(hazard);
    return () => {
      hazard.left = 0;
    };
  }

  #add(hazard: Hazard): Hit {
    this.#hazards.push(hazard);
    return {
      wasHit: () => hazard.hits > 0,
      get hits() {
        return hazard.hits;
      },
    };
  }

  #begin(operation: StoreOperation): Hazard | undefined {
    this.#counts.set(operation, (this.#counts.get(operation) ?? 0) + 1);
    const concerns = ({ operations }: Hazard) => operations.length === 0 || operations.includes(operation);
    const hazard = this.#hazards.find((one) => one.left > 0 && concerns(one));
    if (!hazard) return undefined;
    hazard.left -= 1;
    hazard.hits += 1;
    return hazard;
  }

  async #run<T>(operation: StoreOperation, call: () => Promise<T>): Promise<T> {
    const hazard = this.#begin(operation);
    await hazard?.before?.();
    const result = await call();
    await hazard?.after?.();
    return result;
  }

  readIdentity() {
    return this.#run('readIdentity', () => this.inner.readIdentity());
  }
  initialise(wanted: IdentityOwner, options: { shards: number; newIncarnation: string }) {
    return this.#run('initialise', () => this.inner.initialise(wanted, options));
  }
  setWhole(incarnation: string, whole: boolean) {
    return this.#run('setWhole', () => this.inner.setWhole(incarnation, whole));
  }
  raiseHighWater(version: VersionText) {
    return this.#run('raiseHighWater', () => this.inner.raiseHighWater(version));
  }
  read(refs: readonly ContextRef[]) {
    return this.#run('read', () => this.inner.read(refs));
  }
  put(envelope: Envelope, options?: { replacing?: string }) {
    return this.#run('put', () => this.inner.put(envelope, options));
  }
  async *scan(kind: KindName, options?: ScanOptions): AsyncIterable<readonly StoredItem[]> {
    const hazard = this.#begin('scan');
    await hazard?.before?.();
    yield* this.inner.scan(kind, options);
    await hazard?.after?.();
  }
  discard(stray: Stray) {
    return this.#run('discard', () => this.inner.discard(stray));
  }

  expire(ref: ContextRef, version: VersionText) {
    return this.#run('expire', () => this.inner.expire(ref, version));
  }
  announce(announcements: readonly Announcement[], atMs: number) {
    return this.#run('announce', () => this.inner.announce(announcements, atMs));
  }
  readFeed(after: number, limit: number) {
    return this.#run('readFeed', () => this.inner.readFeed(after, limit));
  }
  readFeedHead() {
    return this.#run('readFeedHead', () => this.inner.readFeedHead());
  }
  trimFeed(beforeMs: number) {
    return this.#run('trimFeed', () => this.inner.trimFeed(beforeMs));
  }
  reportGateway(status: GatewayStatus) {
    return this.#run('reportGateway', () => this.inner.reportGateway(status));
  }
  listGateways(nowMs: number) {
    return this.#run('listGateways', () => this.inner.listGateways(nowMs));
  }
  trimGateways(nowMs: number) {
    return this.#run('trimGateways', () => this.inner.trimGateways(nowMs));
  }
  reportKeyUses(uses: KeyUses) {
    return this.#run('reportKeyUses', () => this.inner.reportKeyUses(uses));
  }
  listKeyUses(limit: number) {
    return this.#run('listKeyUses', () => this.inner.listKeyUses(limit));
  }
  removeKeyUses(uses: KeyUses) {
    return this.#run('removeKeyUses', () => this.inner.removeKeyUses(uses));
  }
  [Symbol.asyncDispose]() {
    return this.inner[Symbol.asyncDispose]();
  }
}

function unavailable(): StoreError {
  return new StoreError('STORE_UNAVAILABLE', 'as the test wants');
}
