import type { Envelope } from '../envelope.ts';
import { limits } from '../limits.ts';
import { StoreError } from '../store.ts';

/**
 * The last gate before a store: no envelope made by {@link seal} is ever stopped here, one made by hand is.
 * Every store asks it, so that all refuse the same sizes, whatever the table behind would take.
 * @throws StoreError `STORE_REFUSED`; nothing was written.
 */
export function refuseOversize(envelope: Envelope): void {
  const bytes = envelope.bodyText === null ? 0 : Buffer.byteLength(envelope.bodyText);
  if (bytes <= limits.bodyBytesMax) return;
  throw new StoreError(
    'STORE_REFUSED',
    `the body of ${envelope.kind}/${envelope.key} has ${bytes} bytes; the most is ${limits.bodyBytesMax}`,
  );
}
