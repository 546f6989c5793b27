import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../contexts/base/clock.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { verifierOf } from '../../../contexts/secrets.ts';
import { DynamoStore } from '../../../contexts/stores/dynamodb.ts';
import { type Dynalite, startDynalite } from '../../support/dynalite.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import {
  allOf,
  boundKeyContext,
  clusterContext,
  type Demo,
  gone,
  initialise,
  keyContext,
  newDemo,
  publish,
  tenantContext,
} from '../support/contexts.ts';
import { GatewayProcess } from '../support/gateway-process.ts';
import { leaveSnapshot } from './region.ts';

/** Real gateway processes over a real store, and without it. */
let dynalite: Dynalite;
let directory: string;
let table: string;
let publisher: DynamoStore;

beforeAll(async () => {
  dynalite = await startDynalite();
});
afterAll(() => dynalite[Symbol.asyncDispose]());
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spokecast-snapshot-'));
  table = `spokecast-test-${randomBytes(4).toString('hex')}`;
  publisher = DynamoStore.connect({
    ...{ table, endpoint: dynalite.endpoint, clock: systemClock, random: systemRandom },
    ...{ requestTimeoutMs: 2_000, connectionTimeoutMs: 1_000 },
  });
  await initialise(publisher);
});
afterEach(async () => {
  await publisher[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const settings = { SPOKECAST_REHEARSAL_EVERY_MS: '0', SPOKECAST_SNAPSHOT_EVERY_MS: '86400000' };
const env = (more: Record<string, string> = {}) => ({
  SPOKECAST_SNAPSHOT_DIR: directory,
  ...settings,
  ...more,
});
const withStore = (more?: Record<string, string>) =>
  GatewayProcess.start({ endpoint: dynalite.endpoint, table, env: env(more) });
const withoutStore = (more?: Record<string, string>) => GatewayProcess.start({ table, env: env(more) });

const settles = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 30_000, interval: 10 });

/** The gateway's snapshot is on disk, which is empty: all that comes from here on is in its journal alone. */
async function snapshotWritten(gateway: GatewayProcess): Promise<void> {
  await settles(async () =>
    expect(await gateway.metric('spokecast_snapshot_writes_total{outcome="written"}')).toBe(1),
  );
}

async function statuses(gateway: GatewayProcess, demos: readonly Demo[]): Promise<number[]> {
  return Promise.all(demos.map(({ secret }) => gateway.status(secret)));
}

describe('a gateway whose store is gone', () => {
  test('[law 5] [law 7] killed, it answers as before for what it held, and says from what', async () => {
    const [held, other] = [newDemo(), newDemo()];
    await publish(publisher, ...allOf(held, 1), ...allOf(other, 1));
    {
      await using gateway = await withStore();
      await gateway.ready();
      await snapshotWritten(gateway);
      expect(await gateway.status(held.secret)).toBe(200);
      await systemClock.sleep(1_500); // what is no tightening is in the journal after a second
      await gateway.end('SIGKILL');
    }
    await using gateway = await withoutStore();
    const { status, reasons } = await gateway.ready();
    expect(status).toBe('degraded');
    expect(reasons.join()).toMatch(/the store has not been reached.*from the snapshot of \d{4}-/);
    expect(await statuses(gateway, [held, other])).toEqual([200, 503]);
    expect(await gateway.metric('spokecast_answering_from_snapshot')).toBe(1);
    expect(await gateway.metric('spokecast_cache_lookups_total{kind="agent-key",outcome="snapshot"}')).toBe(
      1,
    );
  });

  test('[law 2] [law 5] nothing revoked comes back: killed between a tightening and the next snapshot', async () => {
    const demos = Array.from({ length: 8 }, newDemo);
    const [revoked, disabled, suspended, closed] = demos as [Demo, Demo, Demo, Demo];
    const [narrowed, shortened, rotated] = demos.slice(4) as [Demo, Demo, Demo];
    const allowed = Array.from({ length: 8 }, () => 200);
    const now = [401, 403, 403, 403, 403, 401, 401, 200];
    await publish(publisher, ...demos.flatMap((demo) => allOf(demo, 1)));
    {
      await using gateway = await withStore();
      await gateway.ready();
      await settles(async () => expect(await statuses(gateway, demos)).toEqual(allowed));
      await snapshotWritten(gateway);
      await publish(
        publisher,
        gone('agent-key', revoked.keyId, 2),
        keyContext(disabled, 2, { status: 'disabled' }),
        tenantContext(suspended, 2, { status: 'suspended' }),
        clusterContext(closed, 2, { status: 'disabled' }),
        boundKeyContext(narrowed, 2, ['203.0.113.0/24']),
        keyContext(shortened, 2, { expiresAtMs: 1 }),
        keyContext(rotated, 2, { verifier: verifierOf('another secret') }),
      );
      const head = await publisher.readFeedHead();
      await settles(async () => {
        expect(await statuses(gateway, demos)).toEqual(now);
        expect(await gateway.metric('spokecast_feed_watermark')).toBe(head.number);
      });
      await gateway.end('SIGKILL');
    }
    await using gateway = await withoutStore();
    await gateway.ready();
    expect(await statuses(gateway, demos)).toEqual(now);
  });

  test('[law 2] nor by what was revoked after it had been evicted from memory', async () => {
    const [revoked, busy] = [newDemo(), newDemo()];
    await publish(publisher, ...allOf(revoked, 1), ...allOf(busy, 1));
    {
      const everyMs = { SPOKECAST_SNAPSHOT_EVERY_MS: '300' };
      await using first = await withStore(everyMs);
      await first.ready();
      expect(await first.status(revoked.secret)).toBe(200);
      await systemClock.sleep(1_500);
      await first.end('SIGTERM');
    }
    {
      await using small = await withStore({ SPOKECAST_CACHE_ENTRIES_MAX: '3' });
      await small.ready();
      expect(await small.status(busy.secret)).toBe(200);
      expect(await small.status(busy.secret)).toBe(200);
      await publish(publisher, gone('agent-key', revoked.keyId, 2));
      const { number } = await publisher.readFeedHead();
      await settles(async () => expect(await small.metric('spokecast_feed_watermark')).toBe(number));
      await small.end('SIGKILL');
    }
    await using gateway = await withoutStore();
    await gateway.ready();
    expect(await gateway.status(revoked.secret)).toBe(401);
  });

  test('a key that expires meanwhile is refused', async () => {
    const demo = newDemo();
    const expiresAtMs = systemClock.now() + 4_000;
    await publish(
      publisher,
      tenantContext(demo, 1),
      clusterContext(demo, 1),
      keyContext(demo, 1, { expiresAtMs }),
    );
    {
      await using gateway = await withStore();
      await gateway.ready();
      expect(await gateway.status(demo.secret)).toBe(200);
      await gateway.end('SIGTERM');
    }
    await using gateway = await withoutStore();
    await gateway.ready();
    await systemClock.sleep(Math.max(0, expiresAtMs - systemClock.now()));
    expect(await gateway.status(demo.secret)).toBe(401);
  });

  test('it is the same one once the store is back: what was missed is heard, the rest is verified', async () => {
    const [revoked, made] = [newDemo(), newDemo()];
    await publish(publisher, ...allOf(revoked, 1));
    {
      await using gateway = await withStore();
      await gateway.ready();
      expect(await gateway.status(revoked.secret)).toBe(200);
      await gateway.end('SIGTERM');
    }
    await using proxy = await new TcpProxy(Number(new URL(dynalite.endpoint).port)).start();
    await proxy.stop();
    const endpoint = `http://127.0.0.1:${proxy.port}`;
    await using gateway = await GatewayProcess.start({ endpoint, table, env: env() });
    await gateway.ready();
    expect(await gateway.status(revoked.secret)).toBe(200);
    await publish(publisher, gone('agent-key', revoked.keyId, 2), ...allOf(made, 1));
    await proxy.start();
    await settles(async () => {
      expect(await statuses(gateway, [revoked, made])).toEqual([401, 200]);
      expect((await gateway.ready()).status).toBe('ready');
    });
  });
});

describe('a gateway that has a store and a snapshot', () => {
  /** A process before it let them in, and ended as it should. */
  const ranBefore = async (demo: Demo) => {
    await publish(publisher, ...allOf(demo, 1));
    await using gateway = await withStore();
    await gateway.ready();
    expect(await gateway.status(demo.secret)).toBe(200);
    await gateway.end('SIGTERM');
  };
  /** What they are told as soon as it answers at all. */
  const firstStatus = async (gateway: GatewayProcess, demo: Demo) => {
    let status: number | undefined;
    while (status === undefined) status = await gateway.status(demo.secret).catch(() => undefined);
    return status;
  };

  test('[law 2] [law 6] what was revoked while it was down is never answered, not even at first', async () => {
    const demo = newDemo();
    await ranBefore(demo);
    await publish(publisher, gone('agent-key', demo.keyId, 2));
    await using gateway = await withStore({ SPOKECAST_BOOT_WAIT_MS: '10000' });
    expect(await firstStatus(gateway, demo)).toBe(401);
  });

  test('what is older than the bound is asked of the store before it is served', async () => {
    const demo = newDemo();
    await ranBefore(demo);
    // Nobody announces it: only a read can tell.
    await publisher.put(keyContext(demo, 2, { status: 'disabled' }));
    await using aged = await withStore({ SPOKECAST_SNAPSHOT_FRESH_MS: '0', SPOKECAST_BOOT_WAIT_MS: '10000' });
    expect(await firstStatus(aged, demo)).toBe(403);
  });
});

describe('a snapshot that cannot be used, or a disk', () => {
  test('a damaged snapshot is refused with a line in the log, and the gateway starts', async () => {
    await leaveSnapshot(directory, 20);
    const path = join(directory, 'slot-00', 'snapshot');
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 10));
    await using gateway = await withStore();
    expect((await gateway.ready()).status).toBe('ready');
    expect(gateway.output).toMatch(/"refusal":"truncated".*the snapshot is refused; going on without it/);
    expect(await gateway.metric('spokecast_snapshot_refusals_total{refusal="truncated"}')).toBe(1);
  });

  test('a directory that cannot be made is told of, and the gateway works', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    await using gateway = await withStore({ SPOKECAST_SNAPSHOT_DIR: join(file, 'below') });
    await settles(async () => {
      const { status, reasons } = await gateway.ready();
      expect(status).toBe('degraded');
      expect(reasons.join()).toMatch(/the snapshot cannot be written: ENOTDIR/);
    });
  });

  test('a snapshot that was swept away is written again', async () => {
    await using gateway = await withStore({ SPOKECAST_SNAPSHOT_EVERY_MS: '100' });
    await gateway.ready();
    await snapshotWritten(gateway);
    await rm(join(directory, 'slot-00'), { recursive: true });
    await settles(async () => expect(await readdir(join(directory, 'slot-00'))).toContain('snapshot'));
    expect((await gateway.ready()).status).toBe('ready');
  });

  test('two gateways share a directory: each has a slot, and a third boots from what they left', async () => {
    const demo = newDemo();
    await publish(publisher, ...allOf(demo, 1));
    await using one = await withStore({ SPOKECAST_SNAPSHOT_EVERY_MS: '200' });
    await one.ready();
    await using other = await withStore();
    await other.ready();
    expect((await readdir(directory)).sort()).toEqual(['signing.key', 'slot-00', 'slot-01']);
    expect(await one.status(demo.secret)).toBe(200);
    await systemClock.sleep(1_500);
    await using third = await withoutStore();
    await third.ready();
    expect(await third.status(demo.secret)).toBe(200);
    expect((await readdir(directory)).sort()).toEqual(['signing.key', 'slot-00', 'slot-01', 'slot-02']);
  });
});
