import type { HubClient } from './hub-client.ts';
import type { WheelLayout } from './layout.ts';

interface StoreAddress {
  endpoint: string;
  awsRegion: string;
  table: string;
}

/** Makes the wheel's regions known to its hub, and tells it where their stores are after a change of the port base. */
export async function seedRegions(layout: WheelLayout, hub: HubClient): Promise<void> {
  for (const { id, store: address } of layout.regions) {
    const store: StoreAddress = { endpoint: address.endpoint, awsRegion: id, table: address.table };
    const existing = await hub.get<{ store: Partial<StoreAddress> }>(`/v1/regions/${id}`);
    if (!existing) await hub.create('/v1/regions', { id, store });
    else if (existing.store.endpoint !== store.endpoint) await hub.update(`/v1/regions/${id}`, { store });
  }
}
