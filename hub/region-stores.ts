import type { Logger } from '../contexts/base/log.ts';
import type { Store } from '../contexts/store.ts';

/** Where a region's store is: what its row says. */
export interface StoreAddress {
  endpoint: string | null;
  awsRegion: string | null;
  table: string;
}

/**
 * The stores of the regions, opened when one is first looked into and kept for as long as the region's row says the
 * same. The hub only reads them, and only for GET /v1/contexts. Another address, or a region that is no more, closes
 * the old one.
 */
export class RegionStores implements AsyncDisposable {
  readonly #open: (address: StoreAddress) => Store;
  readonly #log: Logger;
  readonly #stores = new Map<string, { address: string; store: Store }>();

  constructor(options: { open: (address: StoreAddress) => Store; log: Logger }) {
    this.#open = options.open;
    this.#log = options.log;
  }

  /** The store of that region. `address` is what its row says now. */
  get(region: string, address: StoreAddress): Store {
    const text = JSON.stringify([address.endpoint, address.awsRegion, address.table]);
    const known = this.#stores.get(region);
    if (known?.address === text) return known.store;
    if (known) this.#close(region, known.store);
    const store = this.#open(address);
    this.#stores.set(region, { address: text, store });
    return store;
  }

  /** Closes the stores of regions that are not among these any more. */
  keepOnly(regions: ReadonlySet<string>): void {
    for (const [region, { store }] of this.#stores) {
      if (regions.has(region)) continue;
      this.#stores.delete(region);
      this.#close(region, store);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stores = [...this.#stores.values()];
    this.#stores.clear();
    await Promise.allSettled(stores.map(({ store }) => store[Symbol.asyncDispose]()));
  }

  #close(region: string, store: Store): void {
    store[Symbol.asyncDispose]().then(undefined, (error: unknown) => {
      this.#log.warn({ region, error: String(error) }, 'could not close a store');
    });
  }
}
