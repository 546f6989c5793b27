import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { systemClock } from '../../../contexts/base/clock.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { DynamoStore } from '../../../contexts/stores/dynamodb.ts';
import { startDynalite } from '../../support/dynalite.ts';
import { allOf, gone, initialise, newDemo, publish } from '../support/contexts.ts';
import { GatewayProcess } from '../support/gateway-process.ts';

const counted = (outcome: string) => `spokecast_rehearsals_total{outcome="${outcome}"}`;

test('[law 5] a gateway proves that it boots from its snapshot, and tells when it would not', async () => {
  await using dynalite = await startDynalite();
  const directory = await mkdtemp(join(tmpdir(), 'spokecast-snapshot-'));
  const table = `spokecast-test-${randomBytes(4).toString('hex')}`;
  await using publisher = DynamoStore.connect({
    ...{ table, endpoint: dynalite.endpoint, clock: systemClock, random: systemRandom },
    ...{ requestTimeoutMs: 2_000, connectionTimeoutMs: 1_000 },
  });
  await initialise(publisher);
  const [kept, revoked] = [newDemo(), newDemo()];
  await publish(publisher, ...allOf(kept, 1), ...allOf(revoked, 1));
  try {
    const env = {
      SPOKECAST_SNAPSHOT_DIR: directory,
      SPOKECAST_REHEARSAL_EVERY_MS: '1000',
      SPOKECAST_SNAPSHOT_EVERY_MS: '500',
    };
    await using gateway = await GatewayProcess.start({ endpoint: dynalite.endpoint, table, env });
    await gateway.ready();
    expect([await gateway.status(kept.secret), await gateway.status(revoked.secret)]).toEqual([200, 200]);
    await publish(publisher, gone('agent-key', revoked.keyId, 2));
    await vi.waitFor(async () => expect(await gateway.metric(counted('proven'))).toBeGreaterThan(0), {
      timeout: 30_000,
      interval: 50,
    });
    const whole = /"isolation":"no-(network|store)".*"compared":6.*rehearsed/; // the first may have come too early
    await vi.waitFor(() => expect(gateway.output).toMatch(whole), { timeout: 30_000 });
    expect(await gateway.metric('spokecast_bootable_age_seconds')).toBeLessThan(60);

    for (const loop of ['snapshot', 'snapshot-journal', 'snapshot-sync', 'rehearsal']) {
      const age = await gateway.metric(`spokecast_loop_age_seconds{loop="${loop}"}`);
      expect(age, `the loop ${loop} tells its age`).toBeLessThan(30);
    }

    const path = join(directory, 'slot-00', 'snapshot');
    await writeFile(path, (await readFile(path)).subarray(0, -1));
    await vi.waitFor(async () => expect(await gateway.metric(counted('failed'))).toBe(1), {
      timeout: 50_000,
      interval: 50,
    });
    expect(gateway.output).toMatch(/the shadow is not ready/);
    const proven = (await gateway.metric(counted('proven')))!;
    await vi.waitFor(async () => expect(await gateway.metric(counted('proven'))).toBeGreaterThan(proven), {
      timeout: 30_000,
      interval: 50,
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
