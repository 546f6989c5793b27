/** The part of all places that one tenant may take, so that none keeps everybody else out. */
const tenantShare = 1 / 4;

export interface PlacesOptions {
  max: number;
  onCount(taken: number): void;
}

/** Places for what lasts, bounded altogether and for each tenant. */
export class Places {
  readonly #options: PlacesOptions;
  readonly #tenantMax: number;
  readonly #ofTenants = new Map<string, number>();
  #taken = 0;

  constructor(options: PlacesOptions) {
    this.#options = options;
    this.#tenantMax = Math.ceil(options.max * tenantShare);
  }

  get taken(): number {
    return this.#taken;
  }

  /** A place until it is disposed of, once; or how many are taken that leave none, and whose they are. */
  take(tenantId: string | null): Disposable | { taken: number; by: 'all' | 'the tenant' } {
    if (this.#taken >= this.#options.max) return { taken: this.#taken, by: 'all' };
    const ofTenant = tenantId === null ? 0 : (this.#ofTenants.get(tenantId) ?? 0);
    if (tenantId !== null && ofTenant >= this.#tenantMax) return { taken: ofTenant, by: 'the tenant' };
    this.#count(1, tenantId);
    let isTaken = true;
    return {
      [Symbol.dispose]: () => {
        if (isTaken) this.#count(-1, tenantId);
        isTaken = false;
      },
    };
  }

  #count(by: 1 | -1, tenantId: string | null): void {
    this.#taken += by;
    this.#options.onCount(this.#taken);
    if (tenantId === null) return;
    const ofTenant = (this.#ofTenants.get(tenantId) ?? 0) + by;
    if (ofTenant === 0) this.#ofTenants.delete(tenantId);
    else this.#ofTenants.set(tenantId, ofTenant);
  }
}
