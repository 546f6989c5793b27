import type { Clock } from '../../contexts/base/clock.ts';
import type { Random } from '../../contexts/base/random.ts';
import type { ContextRef } from '../../contexts/kinds/index.ts';
import { newSecret, verifierOf } from '../../contexts/secrets.ts';
import { placementKey, writeAgentKey, writeCluster, writePlacement, writeTenant } from './hub/capture.ts';
import type { Transaction } from './hub/database.ts';
import type { SimulatedHub } from './hub/hub.ts';
import type { Fact } from './truth.ts';

/**
 * What people do to the platform's data. `n` names one of a few of each, so that everything happens again to each.
 * What is not there is created, whatever was to be done to it; what is there already is changed.
 */
export type Edit =
  | { edit: 'tenant'; n: number; to: 'create' | 'delete' | 'suspend' | 'activate' }
  | { edit: 'cluster'; n: number; to: 'create' | 'delete' | 'disable' | 'enable' }
  | { edit: 'placement'; n: number; region: number; to: 'add' | 'remove' | 'move' | 'override' }
  | { edit: 'key'; n: number; to: 'create' | 'delete' | 'disable' | 'enable' | 'rotate' | 'expire' };

export const tenantCount = 2;
export const clusterCount = 3;
export const keyCount = 5;

const id = (prefix: string, n: number) => `${prefix}_${String(n).padStart(26, '0')}`;
export const tenantId = (n: number) => id('ten', n % tenantCount);
export const clusterId = (n: number) => id('vci', n % clusterCount);
export const keyId = (n: number) => id('aki', n % keyCount);
const range = (count: number) => Array.from({ length: count }, (_, n) => n);

/** Every context there can be. */
export const universe: readonly ContextRef[] = [
  ...range(tenantCount).map((n) => ({ kind: 'tenant' as const, key: tenantId(n) })),
  ...range(clusterCount).map((n) => ({ kind: 'cluster' as const, key: clusterId(n) })),
  ...range(keyCount).map((n) => ({ kind: 'agent-key' as const, key: keyId(n) })),
];

/** Makes edits in transactions of the hub, and tells what they come to as facts. */
export class Editor {
  readonly #hub: SimulatedHub;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #secrets = new Map<string, string>();
  #names = 0;

  constructor(hub: SimulatedHub, clock: Clock, random: Random) {
    this.#hub = hub;
    this.#clock = clock;
    this.#random = random;
    hub.secretOf = (verifier) => this.#secretOf(verifier);
  }

  /** Returns the facts; none where it does not apply as things are. @throws BlockedError */
  make(tx: Transaction, edit: Edit): Fact[] {
    switch (edit.edit) {
      case 'tenant':
        return this.#tenant(tx, tenantId(edit.n), edit.to);
      case 'cluster':
        return this.#cluster(tx, edit.n, edit.to);
      case 'placement':
        return this.#placement(tx, clusterId(edit.n), edit.region, edit.to);
      case 'key':
        return this.#key(tx, edit.n, edit.to);
    }
  }

  #tenant(tx: Transaction, id: string, to: Extract<Edit, { edit: 'tenant' }>['to']): Fact[] {
    const row = tx.get('tenants', id);
    const status = to === 'suspend' ? 'suspended' : 'active';
    const is =
      row && to === 'delete' ? undefined : { name: this.#name('tenant'), status: status as 'active' };
    writeTenant(this.#hub.capture(tx), id, is ? { id, ...is } : null);
    return [{ thing: 'tenant', id, is }];
  }

  #cluster(tx: Transaction, n: number, to: Extract<Edit, { edit: 'cluster' }>['to']): Fact[] {
    const id = clusterId(n);
    const row = tx.get('clusters', id);
    const owner = tenantId(n % clusterCount);
    if (!tx.get('tenants', owner)) return [];
    const name = this.#name('cluster');
    const status = to === 'disable' ? 'disabled' : 'active';
    const is =
      row && to === 'delete'
        ? undefined
        : { tenantId: owner, name, status: status as 'active', upstreamUrl: `http://${name}.example` };
    writeCluster(this.#hub.capture(tx), id, is ? { id, ...is } : null);
    const facts: Fact[] = [{ thing: 'cluster', id, is }];
    // Made as the API does: placed in the same transaction.
    if (!row) facts.push(...this.#placement(tx, id, n, 'add'));
    return facts;
  }

  #placement(tx: Transaction, id: string, n: number, to: Extract<Edit, { edit: 'placement' }>['to']): Fact[] {
    const { regions } = this.#hub;
    const region = regions[n % regions.length]!;
    if (!tx.get('clusters', id)) return [];
    const row = tx.get('placements', placementKey(id, region));
    const context = this.#hub.capture(tx);
    const place = (where: string, is: { upstreamUrl: string | null } | undefined): Fact => {
      writePlacement(context, id, where, is ? { clusterId: id, region: where, ...is } : null);
      return { thing: 'placement', id, region: where, is };
    };
    if (!row) return [place(region, { upstreamUrl: null })];
    if (to === 'remove') return [place(region, undefined)];
    if (to !== 'move') return [place(region, { upstreamUrl: `http://${this.#name('over')}.example` })];
    const other = regions[(n + 1) % regions.length]!;
    const facts = [place(region, undefined)];
    if (other !== region && !tx.get('placements', placementKey(id, other)))
      facts.push(place(other, { upstreamUrl: null }));
    return facts;
  }

  #key(tx: Transaction, n: number, to: Extract<Edit, { edit: 'key' }>['to']): Fact[] {
    const id = keyId(n);
    const row = tx.get('agentKeys', id);
    const of = clusterId(n % keyCount);
    if (!tx.get('clusters', of)) return [];
    if (row && to === 'delete') {
      writeAgentKey(this.#hub.capture(tx), id, null);
      return [{ thing: 'agent-key', id, is: undefined }];
    }
    if (!row || to === 'create' || to === 'rotate')
      this.#secrets.set(`${id} ${++this.#names}`, newSecret('agentKey', id, this.#random));
    const secret =
      row && to !== 'rotate' && to !== 'create'
        ? this.#secretOf(row.verifier)
        : [...this.#secrets.values()].at(-1)!;
    const is = {
      clusterId: of,
      verifier: verifierOf(secret),
      status: (to === 'disable' ? 'disabled' : 'active') as 'active',
      expiresAtMs:
        to === 'expire'
          ? Math.floor(this.#clock.now()) - 1
          : to === 'enable'
            ? null
            : (row?.expiresAtMs ?? null),
    };
    if (row && row.status === is.status && row.verifier === is.verifier && row.expiresAtMs === is.expiresAtMs)
      return [];
    writeAgentKey(this.#hub.capture(tx), id, { id, ...is });
    return [{ thing: 'agent-key', id, is: { ...is, secret } }];
  }

  #secretOf(verifier: string): string {
    return [...this.#secrets.values()].find((secret) => verifierOf(secret) === verifier)!;
  }

  /** A name that was never used before, so that every state of a thing has content of its own. */
  #name(of: string): string {
    return `${of}-${++this.#names}`;
  }
}
