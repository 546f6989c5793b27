import type { Store } from '../contexts/store.ts';
import type { Breaker } from './breaker.ts';

/** The region's store with every call going through its breaker. Disposing of it leaves the store open. */
export function guardedStore(store: Store, breaker: Breaker): Store {
  return {
    readIdentity: () => breaker.run(() => store.readIdentity()),
    initialise: (wanted, options) => breaker.run(() => store.initialise(wanted, options)),
    setWhole: (incarnation, whole) => breaker.run(() => store.setWhole(incarnation, whole)),
    raiseHighWater: (version) => breaker.run(() => store.raiseHighWater(version)),
    read: (refs) => breaker.run(() => store.read(refs)),
    put: (envelope, options) => breaker.run(() => store.put(envelope, options)),
    scan: (kind, options) => store.scan(kind, options), // a stream: its reader meets the error, and the next call the breaker
    discard: (stray) => breaker.run(() => store.discard(stray)),
    expire: (ref, version) => breaker.run(() => store.expire(ref, version)),
    announce: (announcements, atMs) => breaker.run(() => store.announce(announcements, atMs)),
    readFeed: (after, limit) => breaker.run(() => store.readFeed(after, limit)),
    readFeedHead: () => breaker.run(() => store.readFeedHead()),
    trimFeed: (beforeMs) => breaker.run(() => store.trimFeed(beforeMs)),
    reportGateway: (status) => breaker.run(() => store.reportGateway(status)),
    listGateways: (nowMs) => breaker.run(() => store.listGateways(nowMs)),
    trimGateways: (nowMs) => breaker.run(() => store.trimGateways(nowMs)),
    reportKeyUses: (uses) => breaker.run(() => store.reportKeyUses(uses)),
    listKeyUses: (limit) => breaker.run(() => store.listKeyUses(limit)),
    removeKeyUses: (uses) => breaker.run(() => store.removeKeyUses(uses)),
    async [Symbol.asyncDispose]() {},
  };
}
