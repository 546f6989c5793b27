import { systemClock } from '../../../contexts/base/clock.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { encodeVersion } from '../../../contexts/revision.ts';
import { newSecret, verifierOf } from '../../../contexts/secrets.ts';
import { SnapshotFiles } from '../../../spoke/snapshot/files.ts';
import type { Mark } from '../../../spoke/snapshot/header.ts';
import type { SnapshotRecord } from '../../../spoke/snapshot/record.ts';

export const regionOwner = { environment: 'test', region: 'eu-west-1', hubId: 'hub-1' };

export function markAt(number: number, atMs = systemClock.now()): Mark {
  return { atMs, position: { incarnation: 'inc-1', feedIncarnation: 'feed-1', number } };
}

export const keyIdAt = (n: number) => `aki_${String(n).padStart(26, '0')}`;

/** A whole region as a gateway would write it: one tenant a hundred clusters, one cluster twenty keys. */
export function* regionRecords(keyCount: number, verifier: (n: number) => string): Generator<SnapshotRecord> {
  const live = (
    kind: SnapshotRecord['kind'],
    key: string,
    revision: number,
    body: object,
  ): SnapshotRecord => ({
    ...{ is: 'live', kind, key, version: encodeVersion({ epoch: 1, revision, schemaVersion: 1 }) },
    ...{ bodyText: JSON.stringify(body), floor: undefined, suspect: false },
  });
  for (let n = 0; n < keyCount; n++) {
    const clusterId = `vci_${String(Math.floor(n / 20)).padStart(26, '0')}`;
    const tenantId = `ten_${String(Math.floor(n / 2000)).padStart(26, '0')}`;
    if (n % 2000 === 0) yield live('tenant', tenantId, n + 1, { name: 'Acme', status: 'active' });
    if (n % 20 === 0)
      yield live('cluster', clusterId, n + 1, {
        ...{ name: `orders-${n}`, settings: {}, status: 'active', tenantId },
        upstreamUrl: 'http://127.0.0.1:9/base',
      });
    yield live('agent-key', keyIdAt(n), n + 1, {
      ...{ clusterId, expiresAtMs: null, permissions: ['produce', 'consume'], status: 'active', tenantId },
      verifier: verifier(n),
    });
  }
}

export async function* runsOf(records: Iterable<SnapshotRecord>, length = 500) {
  let run: SnapshotRecord[] = [];
  for (const record of records) {
    run.push(record);
    if (run.length < length) continue;
    yield run;
    run = [];
  }
  yield run;
}

/** Leaves the snapshot of a region of `keyCount` keys in the directory, and returns the secret of the last of them. */
export async function leaveSnapshot(
  directory: string,
  keyCount: number,
  options: { encryption?: Buffer; signing?: Buffer; mark?: Mark } = {},
): Promise<{ secret: string; bytes: number; contexts: number }> {
  const { encryption, signing, mark = markAt(7) } = options;
  const secret = newSecret('agentKey', keyIdAt(keyCount - 1), systemRandom);
  const keys = { signing: signing && [signing], encryption: encryption && [encryption] };
  await using files = await SnapshotFiles.open({ directory, keys, random: systemRandom, build: 'test' });
  const journal = await files.beginJournal(regionOwner, mark);
  let contexts = 0;
  function* counted() {
    for (const record of regionRecords(keyCount, () => verifierOf(secret))) {
      contexts += 1;
      yield record;
    }
  }
  const bytes = await files.write(regionOwner, mark, journal as never, runsOf(counted()));
  await journal.close();
  return { secret, bytes, contexts };
}
