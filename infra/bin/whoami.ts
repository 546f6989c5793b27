import type { WhoAmI } from '../client/hub-api.ts';
import { type HubClient, HubRequestError } from './hub-client.ts';

/** `terraform (apk_...), admin of the tenant ten_..., until 2027-01-31T00:00:00.000Z`. */
export function keyInWords({ name, id, role, tenantId, expiresAt }: WhoAmI): string {
  const of = tenantId === null ? 'the platform' : `the tenant ${tenantId}`;
  return `${name} (${id}), ${role} of ${of}${expiresAt === null ? '' : `, until ${expiresAt}`}`;
}

/** Undefined where the hub is older than this command, and does not tell. @throws HubRequestError */
export async function askWhoAmI(hub: HubClient): Promise<WhoAmI | undefined> {
  try {
    return await hub.call('whoAmI');
  } catch (error) {
    if (error instanceof HubRequestError && error.status === 404) return undefined;
    throw error;
  }
}
