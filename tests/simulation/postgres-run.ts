import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import type { Clock } from '../../contexts/base/clock.ts';
import { type ContextRef, refText } from '../../contexts/kinds/index.ts';
import type { VersionText } from '../../contexts/revision.ts';
import { type Build, buildContexts, holdersOf } from '../../hub/db/builders/index.ts';
import { cascadeDeparture, cascadePlacements, regionsHolding } from '../../hub/db/cascade.ts';
import {
  type Change,
  claimChanges,
  completeChanges,
  releaseChanges,
  renewChanges,
  type Takes,
} from '../../hub/db/outbox.ts';
import { type RefreshJob, toRefs } from '../../publisher/jobs.ts';
import { Relay } from '../../publisher/relay.ts';
import type { HubDatabase, OutboxRow, Session } from '../hub/db/hub-database.ts';
import { Dice } from './dice.ts';
import { anEdit } from './edit-choices.ts';
import {
  clusterCount,
  clusterId,
  type Edit,
  Editor,
  keyCount,
  tenantCount,
  tenantId,
  universe,
} from './edits.ts';
import { BlockedError, type Transaction } from './hub/database.ts';
import { SimulatedHub } from './hub/hub.ts';
import { type Fact, Truth } from './truth.ts';

const regions = ['r1', 'r2'];
const sessionCount = 3;
const lockTimeoutMs = 30;

/** A transaction of the hub in memory and the same one in Postgres. */
interface Pair {
  simulated: Transaction;
  session: Session;
  facts: Fact[];
}

/** What a region holds, put as every region's store puts it: only what is newer. */
type Held = Map<string, { version: VersionText; body: unknown }>;

/** What a run is to meet, and has not yet. */
export function nothingMet() {
  return {
    committed: 0,
    overlapping: 0,
    rolledBack: 0,
    blocked: 0,
    relayed: 0,
    cascadeBlocked: 0,
    refused: 0,
  };
}

/**
 * One seed's edits, made in the hub in memory and in Postgres side by side, in up to three transactions at a time.
 * Who would have to wait is rolled back, in both. The production relay runs in between; its jobs are done in any
 * order, and put into regions what is newer.
 */
export class PostgresRun {
  readonly met = nothingMet();
  readonly #hub: HubDatabase;
  readonly #clock: Clock;
  readonly #dice: Dice;
  readonly #simulated: SimulatedHub;
  readonly #editor: Editor;
  readonly #truth = new Truth();
  readonly #sessions: Session[] = [];
  readonly #open: Pair[] = [];
  readonly #held = new Map<string, Held>(regions.map((region) => [region, new Map()]));
  readonly #revisions = new Map<string, number>();
  readonly #jobs: { region: string; job: RefreshJob }[] = [];
  #before = new Map<string, unknown>();
  /** Rows of the outbox that were looked at, here and in memory. */
  readonly #known = new Set<number>();
  readonly #knownSimulated = new Set<number>();

  constructor(hub: HubDatabase, seed: number, clock: Clock) {
    this.#hub = hub;
    this.#clock = clock;
    this.#dice = new Dice(seed);
    this.#simulated = new SimulatedHub(clock, regions);
    this.#editor = new Editor(this.#simulated, clock, this.#dice.random);
  }

  /** Everything anew, as in a database of its own. */
  async begin(): Promise<void> {
    const { sql } = this.#hub;
    await sql`delete from tenants`;
    await sql`delete from outbox`;
    await sql`delete from heads`;
    await sql`update holdings set until = now() where until is null`;
    await sql`delete from holdings`;
    await this.#hub.regions(...regions);
    for (let n = 0; n < sessionCount; n++) {
      const session = await this.#hub.session().reserve();
      await session.unsafe(`set lock_timeout = ${lockTimeoutMs}`);
      this.#sessions.push(session);
    }
    const all = [
      ...range(tenantCount, (n): Edit => ({ edit: 'tenant', n, to: 'create' })),
      ...range(clusterCount, (n): Edit => ({ edit: 'cluster', n, to: 'create' })),
      ...range(keyCount, (n): Edit => ({ edit: 'key', n, to: 'create' })),
    ];
    await this.#commit(await this.#edit(this.#sessions[0]!, all));
    await this.#atRest();
  }

  async step(): Promise<void> {
    const roll = this.#dice.below(100);
    const free = this.#sessions.find((session) => this.#open.every((pair) => pair.session !== session));
    if (roll < 60 && free) await this.#editSomething(free);
    else if (roll < 80 && this.#open.length > 0) await this.#commit(this.#dice.of(this.#open));
    else if (roll < 84 && this.#open.length > 0) await this.#rollback(this.#dice.of(this.#open));
    else if (roll < 90) await this.#relay();
    else await this.#work();
  }

  /** Nobody edits any more: what was told to the regions, and nothing else, makes them equal to the truth. */
  async end(): Promise<void> {
    while (this.#open.length > 0) await this.#commit(this.#dice.of(this.#open));
    await this.#atRest();
    for (const region of regions) {
      for (const ref of universe) {
        const held = this.#held.get(region)!.get(refText(ref))?.body ?? null;
        expect(held, `${region} ${refText(ref)}`).toEqual(this.#truth.body(region, ref) ?? null);
      }
    }
  }

  async close(): Promise<void> {
    await this.#hub.endSessions();
  }

  async #editSomething(session: Session): Promise<void> {
    if (this.#open.length > 0) this.met.overlapping += 1;
    const edits = range(this.#dice.of([1, 1, 2, 3]), () => anEdit(this.#dice));
    try {
      const pair = await this.#edit(session, edits);
      if (this.#dice.chance(0.5)) await this.#commit(pair);
    } catch (error) {
      const waits = error instanceof BlockedError || lockErrors.has(codeOf(error));
      if (!waits) throw error;
      this.met.blocked += 1;
      await this.#rollback(this.#open.at(-1)!);
    }
  }

  async #edit(session: Session, edits: readonly Edit[]): Promise<Pair> {
    const pair: Pair = { simulated: this.#simulated.database.begin(), session, facts: [] };
    this.#open.push(pair);
    await session.unsafe('begin');
    for (const edit of edits) {
      const facts = this.#editor.make(pair.simulated, edit);
      for (const fact of facts) await write(session, fact);
      pair.facts.push(...facts);
    }
    return pair;
  }

  async #rollback(pair: Pair): Promise<void> {
    this.#open.splice(this.#open.indexOf(pair), 1);
    pair.simulated.rollback();
    await pair.session.unsafe('rollback');
    this.met.rolledBack += 1;
  }

  async #commit(pair: Pair): Promise<void> {
    await pair.session.unsafe('commit');
    this.#open.splice(this.#open.indexOf(pair), 1);
    pair.simulated.commit();
    for (const fact of pair.facts) this.#truth.apply(fact);
    this.met.committed += 1;
    const builds = await this.#compareWithTruth();
    await this.#compareCapture(builds);
  }

  /** What Postgres derives is the truth, and so is what the hub in memory derives. */
  async #compareWithTruth(): Promise<Map<string, Build>> {
    const builds = new Map<string, Build>();
    for (const region of regions) {
      const simulated = this.#simulated.build(region, universe);
      for (const [at, build] of (
        await buildContexts(this.#hub.db, region, universe, this.#clock)
      ).entries()) {
        const name = `${region} ${refText(build.ref)}`;
        builds.set(name, build);
        expect(bodyOf(build), name).toEqual(this.#truth.body(region, build.ref));
        expect(simulated[at]!.state, `${name}, in memory`).toBe(build.state);
        expect(bodyOf(simulated[at]!), `${name}, in memory`).toEqual(bodyOf(build));
      }
    }
    return builds;
  }

  /**
   * Whatever changed has an outbox row that leads to each region where it did, and a newer revision; what follows a
   * placement gets both when that is relayed. The rows are those that the hub in memory writes.
   */
  async #compareCapture(builds: ReadonlyMap<string, Build>): Promise<void> {
    const rows = (await this.#hub.outbox()).filter(({ id }) => !this.#known.has(id));
    for (const { id } of rows) this.#known.add(id);
    const simulated = [...this.#simulated.database.committed.outbox.values()].filter(
      ({ id }) => !this.#knownSimulated.has(id),
    );
    for (const { id } of simulated) this.#knownSimulated.add(id);
    expect(namesOf(rows)).toEqual(namesOf(simulated));

    const revisions = await this.#headRevisions();
    const holders = await holdersOf(this.#hub.db, universe);
    for (const [name, build] of builds) {
      const body = bodyOf(build);
      if (isDeepStrictEqual(body, this.#before.get(name))) continue;
      const region = name.slice(0, name.indexOf(' '));
      const text = refText(build.ref);
      const content = (body ?? this.#before.get(name)) as { clusterId?: string };
      const leading = rows.filter(
        (row) =>
          refText(row as ContextRef) === text ||
          (row.cause === 'placement' && follows(build.ref, content.clusterId, row.key)),
      );
      const told = leading.filter(
        (row) => row.regions.includes(region) || holders.get(refText(row as ContextRef))?.includes(region),
      );
      expect(told, `rows that lead to ${name}`).not.toEqual([]);
      for (const row of told) {
        const led = refText(row as ContextRef);
        expect(revisions.get(led), `the revision of ${led}`).toBeGreaterThan(this.#revisions.get(led) ?? 0);
      }
    }
    this.#before = new Map([...builds].map(([name, build]) => [name, bodyOf(build)]));
    for (const [text, revision] of revisions) this.#revisions.set(text, revision);
  }

  async #headRevisions(): Promise<Map<string, number>> {
    const rows = await this.#hub.sql`select kind, key, revision from heads`;
    return new Map(rows.map(({ kind, key, revision }) => [`${kind}/${key}`, Number(revision)]));
  }

  /** A turn of both relays; what they make jobs of waits. */
  async #relay(): Promise<void> {
    for (const takes of this.#dice.of([['placements'], ['all-else', 'placements']] as const)) {
      await this.#relayOf(takes, this.#dice.of([1, 3, 100])).turn();
    }
    for (const row of await this.#hub.outbox()) this.#known.add(row.id);
    for (const [text, revision] of await this.#headRevisions()) this.#revisions.set(text, revision);
  }

  /** Its leases are over at once: what could not be cascaded now is taken up again. */
  #relayOf(takes: Takes, claimMax: number): Relay {
    const { db } = this.#hub;
    return new Relay({
      ...{ takes, claimMax, claimant: 'test', leaseMs: 1, pollMs: 1_000, clock: this.#clock },
      ports: {
        claim: (claim) => claimChanges(db, claim),
        holding: (clusterIds) => regionsHolding(db, clusterIds),
        cascade: (placed, onProgress) =>
          cascadePlacements(db, placed, { chunk: 2, lockTimeoutMs, onProgress }),
        arrival: async () => {},
        depart: ({ clusterId, arrives }) => cascadeDeparture(db, clusterId, { tightens: !arrives }),
        holders: (refs) => holdersOf(db, refs),
        handOver: () => 'left',
        enqueue: async (region, jobs) => void this.#jobs.push(...jobs.map((job) => ({ region, job }))),
        complete: (claimant, ids) => completeChanges(db, claimant, ids),
        release: (claimant, ids) => releaseChanges(db, claimant, ids),
        renew: (claim, ids) => renewChanges(db, claim, ids),
      },
      onRelayed: (rows) => {
        this.met.relayed += rows;
      },
      onError: (error) => {
        if (!lockErrors.has(codeOf(error))) throw error;
        this.met.cascadeBlocked += 1;
      },
    });
  }

  /** Brings the contexts of one job to its region, whichever job comes. */
  async #work(): Promise<void> {
    const [taken] = this.#jobs.splice(this.#dice.below(this.#jobs.length), 1);
    if (!taken) return;
    const { region, job } = taken;
    const held = this.#held.get(region)!;
    for (const build of await buildContexts(this.#hub.db, region, toRefs(job), this.#clock)) {
      if (build.state !== 'live' && build.state !== 'gone') continue;
      const { version } = build.envelope;
      const had = held.get(refText(build.ref));
      if (had && had.version >= version) this.met.refused += 1;
      else held.set(refText(build.ref), { version, body: bodyOf(build) ?? null });
    }
  }

  async #atRest(): Promise<void> {
    while ((await this.#hub.outbox()).length > 0) {
      await this.#clock.sleep(2);
      await this.#relay();
    }
    while (this.#jobs.length > 0) await this.#work();
  }
}

/** The same change by plain SQL. */
async function write(session: Session, fact: Fact): Promise<void> {
  const { id } = fact;
  switch (fact.thing) {
    case 'tenant': {
      if (!fact.is) return void (await session`delete from tenants where id = ${id}`);
      const { name, status } = fact.is;
      const updated = await session`update tenants set name = ${name}, status = ${status} where id = ${id}`;
      if (updated.count === 0)
        await session`insert into tenants (id, name, status) values (${id}, ${name}, ${status})`;
      return;
    }
    case 'cluster': {
      if (!fact.is) return void (await session`delete from clusters where id = ${id}`);
      const { tenantId: of, name, status, upstreamUrl } = fact.is;
      const updated = await session`
        update clusters set name = ${name}, status = ${status}, upstream_url = ${upstreamUrl} where id = ${id}`;
      if (updated.count === 0)
        await session`
          insert into clusters (id, tenant_id, name, status, upstream_url)
          values (${id}, ${of}, ${name}, ${status}, ${upstreamUrl})`;
      return;
    }
    case 'placement': {
      const { region, is } = fact;
      if (!is)
        return void (await session`delete from placements where cluster_id = ${id} and region = ${region}`);
      const overrides = session.json(is.upstreamUrl === null ? {} : { upstreamUrl: is.upstreamUrl });
      const updated = await session`
        update placements set overrides = ${overrides} where cluster_id = ${id} and region = ${region}`;
      if (updated.count === 0)
        await session`insert into placements (cluster_id, region, overrides) values (${id}, ${region}, ${overrides})`;
      return;
    }
    case 'agent-key': {
      if (!fact.is) return void (await session`delete from agent_keys where id = ${id}`);
      const { clusterId: of, verifier, status, expiresAtMs } = fact.is;
      const expiresAt = expiresAtMs === null ? null : new Date(expiresAtMs);
      const updated = await session`
        update agent_keys set verifier = ${verifier}, status = ${status}, expires_at = ${expiresAt} where id = ${id}`;
      if (updated.count === 0)
        await session`
          insert into agent_keys (id, cluster_id, name, verifier, status, expires_at)
          values (${id}, ${of}, 'k', ${verifier}, ${status}, ${expiresAt})`;
    }
  }
}

/** Whether the context changes with the placements of that cluster. */
function follows({ kind, key }: ContextRef, ofCluster: string | undefined, placed: string): boolean {
  if (kind === 'cluster') return key === placed;
  if (kind === 'agent-key') return ofCluster === placed;
  return range(clusterCount, (n) => clusterId(n) === placed && tenantId(n) === key).some(Boolean);
}

function range<Item>(count: number, make: (n: number) => Item): Item[] {
  return Array.from({ length: count }, (_, n) => make(n));
}

/** Lock timeouts and deadlocks. */
const lockErrors = new Set(['55P03', '40P01']);

function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return code ?? cause?.code ?? '';
}

function bodyOf(build: Build): unknown {
  return build.state === 'live' ? JSON.parse(build.envelope.bodyText!) : undefined;
}

/** The rows as a set: a statement that Postgres makes once for several rows, the hub in memory makes for each. */
function namesOf(rows: readonly Omit<OutboxRow | Change, 'id'>[]): string[] {
  const names = rows.map(({ kind, key, regions, cause, tightens }) =>
    JSON.stringify([kind, key, regions, cause, tightens]),
  );
  return [...new Set(names)].sort();
}
