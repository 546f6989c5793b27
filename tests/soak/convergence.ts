import { isDeepStrictEqual } from 'node:util';
import type postgres from 'postgres';
import { systemClock as clock } from '../../contexts/base/clock.ts';
import type { Store } from '../../contexts/store.ts';
import type { SweepCounts } from '../../hub/db/schema.ts';
import { ask } from '../../infra/local/http.ts';
import { HubClient } from '../../infra/local/hub-client.ts';
import { derivedByHand, heldLive } from '../replication/support/independent.ts';
import type { Credential, Saying } from './answers.ts';
import type { Platform } from './platform.ts';
import type { Reader } from './reader.ts';
import type { Tally } from './tally.ts';

export interface ConvergenceOptions {
  sql: postgres.Sql;
  hub: { url: string; applicationKey: string };
  stores: readonly { id: string; store: Store }[];
  readers: readonly Reader[];
  platform: Platform;
  tally: Tally;
}

interface Sweep {
  id: string;
  status: string;
  counts: SweepCounts | null;
  error: string | null;
}

const idleWithinMs = 60_000;
const sweepWithinMs = 60_000;
const gatewayWithinMs = 30_000;
const differencesShown = 5;

/** Law 3: nothing changes or breaks any more; after one sweep every region and every gateway equals what SQL derives. */
export class Convergence {
  readonly #options: ConvergenceOptions;
  readonly #hub: HubClient;
  readonly #problems: string[] = [];

  constructor(options: ConvergenceOptions) {
    this.#options = options;
    this.#hub = new HubClient(options.hub.url, options.hub.applicationKey);
  }

  async check(): Promise<readonly string[]> {
    const { sql, stores, readers, tally } = this.#options;
    await this.#untilRelayed();
    tally.say('all changes are relayed');
    await Promise.all(stores.map(({ id }) => this.#sweep(id)));
    tally.say('every region was swept; its store and its gateways are compared');
    for (const { id, store } of stores) {
      const wanted = await derivedByHand(sql, id);
      this.#compare(id, wanted, await heldLive(store));
      await Promise.all(
        readers
          .filter(({ gateway }) => gateway.region === id)
          .map((reader) => this.#compareAnswers(reader, wanted)),
      );
    }
    tally.say('all is compared; one more sweep a region');
    await Promise.all(stores.map(({ id }) => this.#sweepFindsNothing(id)));
    return this.#problems;
  }

  async #untilRelayed(): Promise<void> {
    const { sql } = this.#options;
    const startedAtMs = clock.monotonic();
    for (;;) {
      const [row] = await sql<{ rows: number }[]>`select count(*)::int as rows from outbox`;
      if (row!.rows === 0) return;
      if (clock.monotonic() - startedAtMs > idleWithinMs) {
        this.#problems.push(
          `${row!.rows} rows of the outbox are not relayed ${idleWithinMs / 1000} s after the last change`,
        );
        return;
      }
      await clock.sleep(100);
    }
  }

  /** Runs one sweep to its end. A region that has just come back may refuse the first. */
  async #sweep(region: string): Promise<SweepCounts | undefined> {
    const startedAtMs = clock.monotonic();
    let sweep = await this.#requestSweep(region);
    while (sweep.status !== 'completed') {
      if (clock.monotonic() - startedAtMs > sweepWithinMs) {
        this.#problems.push(
          `a sweep of ${region} is ${sweep.status} after ${sweepWithinMs / 1000} s: ${sweep.error}`,
        );
        return undefined;
      }
      await clock.sleep(100);
      if (sweep.status === 'failed') {
        this.#options.tally.say(`a sweep of ${region} failed (${sweep.error}); another is asked for`);
        sweep = await this.#requestSweep(region);
      } else sweep = (await this.#hub.get<Sweep>(`/v1/sweeps/${sweep.id}`))!;
    }
    return sweep.counts ?? undefined;
  }

  async #requestSweep(region: string): Promise<Sweep> {
    const { url, applicationKey } = this.#options.hub;
    const answer = await ask(`${url}/v1/sweeps`, {
      method: 'POST',
      body: { region },
      bearer: applicationKey,
    });
    if (answer.status !== 202) throw new Error(`a sweep was refused: ${JSON.stringify(answer)}`);
    return (await this.#hub.get<Sweep>(`/v1/sweeps/${(answer.body as { id: string }).id}`))!;
  }

  async #sweepFindsNothing(region: string): Promise<void> {
    const counts = await this.#sweep(region);
    if (!counts) return;
    const { written, missing, stale, corrupt, orphan, ahead, scanned } = counts;
    this.#options.tally.count('checked', 'contexts in a second sweep, which finds nothing', scanned);
    if (written + missing + stale + corrupt + orphan + ahead > 0)
      this.#problems.push(`a second sweep of ${region} still finds something: ${JSON.stringify(counts)}`);
  }

  #compare(region: string, wanted: ReadonlyMap<string, unknown>, held: ReadonlyMap<string, unknown>): void {
    const names = [...new Set([...wanted.keys(), ...held.keys()])].sort();
    this.#options.tally.count('checked', 'contexts of stores, each what SQL derives', names.length);
    const different = names.filter((name) => !isDeepStrictEqual(wanted.get(name), held.get(name)));
    for (const name of different.slice(0, differencesShown)) {
      this.#problems.push(
        `${region} holds ${JSON.stringify(held.get(name)) ?? 'nothing'} under ${name}; it is to hold ` +
          `${JSON.stringify(wanted.get(name)) ?? 'nothing'}`,
      );
    }
    if (different.length > differencesShown)
      this.#problems.push(`${region} differs in ${different.length} contexts altogether`);
  }

  /** What is in a gateway's memory: what it says to every key. */
  async #compareAnswers(reader: Reader, wanted: ReadonlyMap<string, unknown>): Promise<void> {
    const { platform, tally } = this.#options;
    const startedAtMs = clock.monotonic();
    for (const credential of platform.credentials) {
      const expected = expectedOf(credential, wanted);
      for (;;) {
        const answer = await reader.ask(credential);
        if (isDeepStrictEqual(answer?.saying, expected)) break;
        if (clock.monotonic() - startedAtMs > gatewayWithinMs) {
          this.#problems.push(
            `${reader.gateway.name} answers ${JSON.stringify(answer?.saying)} to ${credential.keyId}, not ${JSON.stringify(expected)}`,
          );
          break;
        }
        await clock.sleep(50);
      }
      tally.count('checked', 'last answers of gateways, each what SQL derives');
    }
  }
}

type Body = { status: string; verifier: string; name: string; permissions: string[] } | undefined;

/** What the region is to say to the credential, by what it is to hold. */
function expectedOf(credential: Credential, wanted: ReadonlyMap<string, unknown>): Saying {
  const key = wanted.get(`agent-key/${credential.keyId}`) as Body;
  if (!key || key.verifier !== credential.verifier) return { says: 'NOT_FOUND' };
  if (key.status !== 'active') return { says: 'DISABLED' };
  if ((wanted.get(`tenant/${credential.tenantId}`) as Body)?.status !== 'active')
    return { says: 'TENANT_SUSPENDED' };
  const cluster = wanted.get(`cluster/${credential.clusterId}`) as Body;
  if (cluster?.status !== 'active') return { says: 'CLUSTER_DISABLED' };
  return { says: 'granted', permissions: key.permissions.join(' '), clusterName: cluster.name };
}
