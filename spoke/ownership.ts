import { checkOwner, type Identity, StoreError } from '../contexts/store.ts';
import type { GatewayConfig } from './config.ts';

/** Says why a table is not this gateway's; undefined where it is. */
export function ownershipOf(config: GatewayConfig): (identity: Identity) => StoreError | undefined {
  const { environment, region } = config;
  return (identity) => {
    try {
      checkOwner(identity, { environment, region });
      return undefined;
    } catch (error) {
      if (error instanceof StoreError) return error;
      throw error;
    }
  };
}
