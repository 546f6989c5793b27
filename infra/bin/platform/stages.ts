import { type Change, pathKey } from './change.ts';

/** Keys of one request; the hub takes no more. */
const keysAtOnce = 50;
/** The hub takes 64 KiB. */
const batchBytesMax = 60 * 1024;

const isMade = (change: Change) => change.action !== 'delete';
const isDeleted = (kind: Change['kind'], makesRoom: boolean) => (change: Change) =>
  change.kind === kind && change.action === 'delete' && change.makesRoom === makesRoom;
export const clustersStage = (change: Change) => change.kind === 'cluster' && isMade(change);
/**
 * In this order, and what tightens a tenant's bounds after all of it. New keys come after the clusters, before what is
 * done to those that are there.
 */
export const stages: readonly ((change: Change) => boolean)[] = [
  (change) => change.kind === 'region' && isMade(change),
  (change) => change.kind === 'tenant' && isMade(change),
  isDeleted('agent-key', true),
  isDeleted('cluster', true),
  clustersStage,
  (change) => change.kind === 'agent-key' && change.action === 'update',
  isDeleted('agent-key', false),
  isDeleted('cluster', false),
];

/** Keys of one cluster that one request makes: no more than the hub takes, in number and in bytes. */
export function batchesOf(creations: readonly Change[]): Change[][] {
  const batches: Change[][] = [];
  for (const keys of Map.groupBy(creations, ({ path }) => pathKey(path.slice(0, 2))).values()) {
    let bytes = Number.POSITIVE_INFINITY;
    for (const key of keys) {
      const own = Buffer.byteLength(JSON.stringify(key.body)) + 1;
      bytes += own;
      if (bytes > batchBytesMax || batches.at(-1)!.length === keysAtOnce) {
        batches.push([]);
        bytes = own;
      }
      batches.at(-1)!.push(key);
    }
  }
  return batches;
}
