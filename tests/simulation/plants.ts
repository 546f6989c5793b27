import { refText } from '../../contexts/kinds/index.ts';
import type { Store } from '../../contexts/store.ts';
import type { FeedListener } from '../../spoke/feed-tail.ts';
import type { Plant } from './world.ts';

/** Announcements, but for those that `drops` says the gateway does not hear. */
function deafTo(
  listener: FeedListener,
  drops: (...args: Parameters<FeedListener['announced']>) => boolean,
): FeedListener {
  return {
    announced: (...heard) => (drops(...heard) ? 'ignored' : listener.announced(...heard)),
    suspectAll: () => listener.suspectAll(),
    pin: (incarnation) => listener.pin(incarnation),
  };
}

/** A store of which one operation is another's. */
function instead(store: Store, changes: Partial<Store>): Store {
  return { ...store, ...changes };
}

/** Rules of the protocol, each taken away by something that stands between the parts which keep it. */
export const plants: Readonly<Record<string, Plant>> = {
  'no conditional put': {
    publisherStore: (store, region) =>
      instead(store, {
        async put(envelope, options) {
          const outcome = await store.put(envelope, options);
          if (outcome === 'superseded') region.table.insert({ ...envelope });
          return 'written';
        },
      }),
  },
  'negative entries are not invalidated': {
    listener: (listener, gateway) =>
      deafTo(
        listener,
        (announcement) => !announcement.tombstone && gateway.absent.has(refText(announcement)),
      ),
  },
  'a fill that began before an invalidation is stored after it': {
    listener: (listener, gateway) =>
      deafTo(listener, (announcement) => (gateway.reading.get(refText(announcement)) ?? 0) > 0),
  },
  'a lease that never ends': {
    relay: (ports) => ({
      ...ports,
      claim: (claim) => ports.claim({ ...claim, leaseMs: 1e12 }),
      renew: (claim, ids) => ports.renew({ ...claim, leaseMs: 1e12 }, ids),
    }),
  },
  'no lease: rows are removed when they are taken': {
    relay: (ports) => ({
      ...ports,
      async claim(claim) {
        const changes = await ports.claim(claim);
        await ports.complete(
          claim.claimant,
          changes.map((change) => change.id),
        );
        return changes;
      },
    }),
  },
  'the outbox is read by id > last': {
    relay: (ports) => {
      let last = 0;
      return {
        ...ports,
        async claim(claim) {
          const changes = (await ports.claim(claim)).filter((change) => change.id > last);
          last = Math.max(last, ...changes.map((change) => change.id));
          return changes;
        },
      };
    },
  },
  'a tombstone without a revision of its own': {
    hub: (hub) => {
      hub.deletionsKeepRevision = true;
    },
  },
  'a deletion leaves nothing behind': {
    publisherStore: (store, region) =>
      instead(store, {
        async put(envelope, options) {
          const outcome = await store.put(envelope, options);
          if (outcome === 'written' && envelope.bodyText === null) region.table.delete(envelope);
          return outcome;
        },
      }),
  },
  'an equal put is not announced': {
    publisherStore: (store) =>
      instead(store, {
        async put(envelope, options) {
          const outcome = await store.put(envelope, options);
          return outcome === 'duplicate' ? 'superseded' : outcome;
        },
      }),
  },
  'a gap in the feed is passed': {
    listener: (listener) => ({
      announced: (...heard) => listener.announced(...heard),
      suspectAll: () => {},
      pin: (incarnation) => listener.pin(incarnation),
    }),
  },
  'what changes after a snapshot is in no journal': {
    shelf: (shelf) => ({
      ...shelf,
      async beginJournal(owner, mark) {
        const journal = await shelf.beginJournal(owner, mark);
        journal.append = async () => {};
        return journal;
      },
    }),
  },
  'a journal is marked, and what it marks is not in it': {
    shelf: (shelf) => ({
      ...shelf,
      async beginJournal(owner, mark) {
        const journal = await shelf.beginJournal(owner, mark);
        const append = journal.append.bind(journal);
        journal.append = (records, place) =>
          append(
            records.filter(({ is }) => is !== 'tombstone'),
            place,
          );
        return journal;
      },
    }),
  },
  'a repair draws no fresh revision': {
    sweepHub: (hub) => ({ ...hub, drawRevisions: async () => {} }),
  },
  'absence counts from any table': {
    store: (store) =>
      instead(store, {
        async read(refs) {
          const { items, identity } = await store.read(refs);
          return { items, identity: identity && { ...identity, whole: true } };
        },
      }),
  },
  'a sweep re-announces nothing': {
    sweepHub: (hub) => ({
      ...hub,
      changedSince: async (mark) => ({ ...(await hub.changedSince(mark)), pages: (async function* () {})() }),
    }),
  },
  'a watermark tells what was read, and not what is in force': { reportsWhatIsRead: true },
  'a restored hub takes over no revocation': { importsNothing: true },
  'a placement does not cascade': {
    relay: (ports) => ({ ...ports, cascade: async () => {} }),
  },
};
