import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { snapshotBodies } from '../spoke/snapshot/bodies.ts';
import { leaveSnapshot } from '../spoke/snapshot/region.ts';
import { GatewayProcess } from '../spoke/support/gateway-process.ts';

/** A gateway process with neither hub nor store, from its start until it is ready, over a whole region's snapshot. */
export async function boot({ contexts, rounds }: { contexts: number; rounds: number }): Promise<void> {
  const keyCount = Math.round(contexts / (1 + 1 / 20 + 1 / 2000));
  for (const encrypted of [false, true]) {
    const directory = await mkdtemp(join(tmpdir(), 'spokecast-bench-'));
    const key = Buffer.from(systemRandom.bytes(32));
    try {
      const left = await leaveSnapshot(directory, keyCount, encrypted ? { encryption: key } : {});
      const size = `${left.contexts} contexts, ${(left.bytes / 1e6).toFixed(1)} MB`;
      console.log(`\n${encrypted ? 'encrypted' : 'signed'}: ${size}`);
      const env: Record<string, string> = {
        SPOKECAST_SNAPSHOT_DIR: directory,
        SPOKECAST_REHEARSAL_EVERY_MS: '0',
      };
      if (encrypted) env.SPOKECAST_SNAPSHOT_ENCRYPTION_KEY = key.toString('hex');
      for (let round = 0; round < rounds; round++) {
        const bare = await readyAfter({});
        const ready = await readyAfter(env, left.secret);
        console.log(
          `ready after ${ready.tookMs.toFixed(0)} ms, of which the snapshot ${ready.loadMs} ms (a gateway that has nothing to load listens after ${bare.tookMs.toFixed(0)} ms)`,
        );
      }
      if (!encrypted) await rawRead(directory);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

async function readyAfter(env: Record<string, string>, secret?: string) {
  await using gateway = await GatewayProcess.start({ env });
  if (secret === undefined) {
    while (!(await fetch(`${gateway.url}/healthz`).catch(() => undefined))?.ok) await systemClock.sleep(5);
    return { tookMs: systemClock.monotonic() - gateway.startedAt, loadMs: 0 };
  }
  const { tookMs } = await gateway.ready();
  const status = await gateway.status(secret);
  if (status !== 200) throw new Error(`a key of the snapshot is answered with ${status}`);
  const loadMs = Number(/"durationMs":(\d+),"msg":"booted/.exec(gateway.output)?.[1]);
  return { tookMs, loadMs };
}

/** The floor: the same file read, and its bodies parsed, by nobody who checks or keeps anything. */
async function rawRead(directory: string): Promise<void> {
  const slot = join(directory, 'slot-00');
  const files = (await readdir(slot)).filter((name) => name === 'snapshot');
  for (let round = 0; round < 3; round++) {
    const startedAt = systemClock.monotonic();
    const bytes = await readFile(join(slot, files[0]!));
    const readMs = systemClock.monotonic() - startedAt;
    let count = 0;
    for (const body of snapshotBodies(bytes)) count += JSON.parse(body) ? 1 : 0;
    const parsedMs = systemClock.monotonic() - startedAt;
    console.log(
      `raw: read after ${readMs.toFixed(0)} ms, ${count} bodies found and parsed after ${parsedMs.toFixed(0)} ms`,
    );
  }
}
