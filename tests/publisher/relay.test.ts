import { beforeEach, describe, expect, test } from 'vitest';
import { type ContextRef, refText } from '../../contexts/kinds/index.ts';
import type { Change, Takes } from '../../hub/db/outbox.ts';
import type { RefreshJob } from '../../publisher/jobs.ts';
import { toJobs } from '../../publisher/planned-jobs.ts';
import { Relay, type RelayPorts } from '../../publisher/relay.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

interface Row extends Change {
  claimedBy?: string;
  claimedUntil: number;
}

const leaseMs = 5000;

/** An outbox and queues in memory, with the semantics of hub/db/outbox.ts, and a switch before every step. */
class World {
  readonly clock = new VirtualClock();
  readonly rows = new Map<number, Row>();
  readonly enqueued: { region: string; job: RefreshJob }[] = [];
  readonly cascaded: string[] = [];
  /** Into how many steps these went. */
  cascades = 0;
  readonly awaited: string[] = [];
  readonly departed: string[] = [];
  /** Regions that hold a cluster now; `r1` where a test says nothing. */
  readonly holding = new Map<string, string[]>();
  readonly errors: unknown[] = [];
  readonly holders = new Map<string, string[]>();
  /** Steps that fail, by name, so many times. A crash: the process is gone right there. */
  readonly failing = new Map<string, number>();
  /** What each relay was given: a test may put something in between. */
  readonly ports = new Map<Relay, RelayPorts>();
  /** What a region does with what is handed over: it leaves it to the queue, where a test says nothing. */
  onHandOver: RelayPorts['handOver'] = () => 'left';
  #ids = 0;

  add(change: Partial<Change> & { key: string }): void {
    const id = ++this.#ids;
    this.rows.set(id, {
      id,
      kind: 'agent-key',
      regions: ['r1'],
      cause: 'row',
      tightens: false,
      createdAtMs: 0,
      fences: [],
      claimedUntil: 0,
      ...change,
    });
  }

  relay(name: string, takes: Takes = 'all-else'): Relay {
    const step = (what: string) => {
      const times = this.failing.get(what) ?? 0;
      if (times === 0) return;
      this.failing.set(what, times - 1);
      throw new Error(`${what} failed`);
    };
    const mine = (ids: readonly number[], claimant: string) =>
      ids.map((id) => this.rows.get(id)).filter((row) => row?.claimedBy === claimant) as Row[];
    const ports: RelayPorts = {
      claim: async (claim) => {
        step('claim');
        const free = [...this.rows.values()]
          .filter((row) => (row.cause === 'placement') === (claim.takes === 'placements'))
          .filter((row) => row.claimedUntil < this.clock.now())
          .sort((a, b) => Number(b.tightens) - Number(a.tightens) || a.id - b.id)
          .slice(0, claim.limit);
        for (const row of free) {
          row.claimedBy = claim.claimant;
          row.claimedUntil = this.clock.now() + claim.leaseMs;
        }
        step('after claim');
        return free.map((row) => ({ ...row }));
      },
      holding: async (clusterIds) => {
        step('holding');
        return new Map(clusterIds.map((id) => [id, this.holding.get(id) ?? ['r1']]));
      },
      arrival: async (moved) => {
        step('arrival');
        for (const { clusterId } of moved) this.awaited.push(clusterId);
      },
      depart: async ({ clusterId }) => {
        step(`depart ${clusterId}`);
        this.departed.push(clusterId);
      },
      cascade: async (placed, onProgress) => {
        for (const { clusterId } of placed) step(`cascade ${clusterId}`);
        await onProgress();
        this.cascaded.push(...placed.map(({ clusterId }) => clusterId));
        this.cascades += 1;
      },
      holders: async (refs) => {
        step('holders');
        return new Map(refs.map((ref) => [refText(ref), this.holders.get(refText(ref)) ?? []]));
      },
      handOver: (region, jobs) => this.onHandOver(region, jobs),
      enqueue: async (region, jobs) => {
        step(`enqueue ${region}`);
        for (const job of jobs) this.enqueued.push({ region, job });
      },
      complete: async (claimant, ids) => {
        step('complete');
        for (const row of mine(ids, claimant)) this.rows.delete(row.id);
        step('after complete');
      },
      release: async (claimant, ids) => {
        step('release');
        for (const row of mine(ids, claimant)) row.claimedUntil = 0;
      },
      renew: async (claim, ids) => {
        step('renew');
        for (const row of mine(ids, claim.claimant)) row.claimedUntil = this.clock.now() + claim.leaseMs;
      },
    };
    const relay = new Relay({
      takes,
      ports,
      clock: this.clock,
      claimant: name,
      leaseMs,
      pollMs: 500,
      claimMax: 500,
      onRelayed: () => {},
      onError: (error) => this.errors.push(error),
    });
    this.ports.set(relay, ports);
    return relay;
  }

  /** Every context named to a region so far. */
  named(region = 'r1'): string[] {
    return this.enqueued
      .filter((one) => one.region === region)
      .flatMap(({ job }) => job.refs.map(([, key]) => key));
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});

describe('a relay that stops anywhere loses nothing', () => {
  const steps = ['after claim', 'holders', 'enqueue r1', 'enqueue r2', 'complete', 'after complete'];
  test.each(steps)(
    '[law 1] killed at "%s": another relay makes the jobs when the lease is over',
    async (step) => {
      world.add({ key: 'aki_1', regions: ['r1', 'r2'] });
      world.add({ key: 'aki_2', regions: ['r1', 'r2'], tightens: true });
      world.failing.set(step, 1);
      world.failing.set('release', 1); // a process that is gone gives nothing back
      await world
        .relay('killed')
        .turn()
        .catch(() => {});

      const other = world.relay('other');
      await other.turn();
      await world.clock.advance(leaseMs + 1);
      await other.turn();
      for (const region of ['r1', 'r2'])
        expect(new Set(world.named(region)), region).toEqual(new Set(['aki_1', 'aki_2']));
      expect(world.rows.size).toBe(0);
    },
  );

  test.each(['holding', 'cascade vci_1', 'renew', 'enqueue r1', 'complete'])(
    '[law 1] a placement whose relay is killed at "%s" is cascaded and relayed by another',
    async (step) => {
      world.add({ key: 'vci_1', kind: 'cluster', cause: 'placement' });
      world.failing.set(step, 1);
      await world.relay('killed', 'placements').turn();
      expect(world.rows.size).toBe(1);
      await world.clock.advance(leaseMs + 1);
      await world.relay('other', 'placements').turn();
      expect(world.cascaded).toContain('vci_1');
      expect(world.named()).toContain('vci_1');
      expect(world.rows.size).toBe(0);
    },
  );

  test('[law 1] rows whose jobs could not be made are given back at once, not when the lease is over', async () => {
    world.add({ key: 'aki_1' });
    world.failing.set('enqueue r1', 1);
    const relay = world.relay('relay');
    await expect(relay.turn()).rejects.toThrow('enqueue r1 failed');
    await relay.turn();
    expect(world.named()).toEqual(['aki_1']);
  });

  test('[law 1] a frozen relay hides its rows for a lease and no longer, and removes nothing when it wakes up', async () => {
    world.add({ key: 'aki_1' });
    const frozen = world.relay('frozen');
    let wake!: () => void;
    const asleep = new Promise<void>((resolve) => (wake = resolve));
    const sleeping = sleepIn(world.ports.get(frozen)!, asleep);
    const turn = frozen.turn();
    await sleeping;
    const other = world.relay('other');
    expect(await other.turn(), 'the lease holds').toBeUndefined();
    await world.clock.advance(leaseMs + 1);
    world.failing.set('complete', 1);
    world.failing.set('release', 1);
    await expect(other.turn()).rejects.toThrow('complete failed');
    wake();
    await turn;
    expect(world.rows.size, "the row is the other relay's by now").toBe(1);
  });
});

/** Makes the `holders` of that relay wait. Resolves when it does. */
function sleepIn(ports: RelayPorts, until: Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    const { holders } = ports;
    ports.holders = async (refs: readonly ContextRef[]) => {
      resolve();
      await until;
      return holders(refs);
    };
  });
}

describe('placements', () => {
  test('[law 6] one that cannot be cascaded holds up no other, and is tried again', async () => {
    for (const key of ['vci_1', 'vci_2', 'vci_3']) world.add({ key, kind: 'cluster', cause: 'placement' });
    world.failing.set('cascade vci_2', 2); // together with the others, and alone
    const relay = world.relay('relay', 'placements');
    await relay.turn();
    expect(world.cascaded).toEqual(['vci_1', 'vci_3']);
    expect(world.errors).toHaveLength(1);
    expect([...world.rows.values()].map((row) => row.key)).toEqual(['vci_2']);
    await world.clock.advance(leaseMs + 1);
    await relay.turn();
    expect(world.cascaded).toEqual(['vci_1', 'vci_3', 'vci_2']);
    expect(world.rows.size).toBe(0);
  });

  test('those that only arrive are cascaded together, and one that leaves is not', async () => {
    for (const key of ['vci_1', 'vci_2', 'vci_3', 'vci_4'])
      world.add({ key, kind: 'cluster', cause: 'placement', tightens: key === 'vci_2' });
    world.holding.set('vci_2', []);
    world.holding.set('vci_3', ['r2']);
    await world.relay('relay', 'placements').turn();
    expect([world.cascades, world.cascaded.toSorted()]).toEqual([2, ['vci_1', 'vci_2', 'vci_3', 'vci_4']]);
    expect([world.named('r1'), world.named('r2')]).toEqual([['vci_1', 'vci_4'], ['vci_3']]);
    expect(world.departed).toEqual(['vci_2']);
    expect(world.rows.size).toBe(0);
  });

  test('[law 6] no other change waits for one: they are relayed apart', async () => {
    world.add({ key: 'vci_1', kind: 'cluster', cause: 'placement' });
    world.add({ key: 'aki_1', tightens: true });
    await world.relay('relay').turn();
    expect(world.named()).toEqual(['aki_1']);
    await world.relay('placements', 'placements').turn();
    expect(world.named()).toEqual(['aki_1', 'vci_1']);
  });

  test('[law 2] a long cascade keeps its lease, so that two relays do not do it again and again', async () => {
    for (const key of ['vci_1', 'vci_2']) world.add({ key, kind: 'cluster', cause: 'placement' });
    const relay = world.relay('one', 'placements');
    const ports = world.ports.get(relay)!;
    ports.cascade = async (placed, onProgress) => {
      for (let chunk = 0; chunk < 5; chunk++) {
        await world.clock.advance(leaseMs - 1);
        expect(await world.relay('two', 'placements').turn(), 'nothing is free').toBeUndefined();
        await onProgress();
      }
      world.cascaded.push(...placed.map(({ clusterId }) => clusterId));
    };
    await relay.turn();
    expect(world.cascaded).toEqual(['vci_1', 'vci_2']);
    expect(world.rows.size).toBe(0);
  });

  test('one that only left its region is told of after its keys were bumped, and nobody waits for an arrival', async () => {
    world.add({ key: 'vci_1', kind: 'cluster', cause: 'placement', tightens: true });
    world.holding.set('vci_1', []);
    await world.relay('relay', 'placements').turn();
    expect([world.cascaded, world.awaited, world.departed]).toEqual([['vci_1'], [], ['vci_1']]);
    expect(world.enqueued, 'the cluster leaves with its keys, by rows of their own').toEqual([]);
    expect(world.rows.size).toBe(0);
  });

  test('what a cascade made goes where it says, and to no other holder', async () => {
    world.holders.set('agent-key/aki_1', ['r1', 'r2']);
    world.add({ key: 'aki_1', cause: 'dependent', regions: ['r2'] });
    await world.relay('relay').turn();
    expect([world.named('r1'), world.named('r2')]).toEqual([[], ['aki_1']]);
  });
});

describe('a cluster that moves', () => {
  test('is cascaded once, is in its new region before its keys, and leaves when it has arrived', async () => {
    world.add({ key: 'vci_1', kind: 'cluster', cause: 'placement', tightens: false });
    world.add({ key: 'vci_2', kind: 'cluster', cause: 'placement', tightens: false });
    world.add({ key: 'vci_1', kind: 'cluster', cause: 'placement', tightens: true });
    world.holding.set('vci_1', ['r2']);
    const relay = world.relay('relay', 'placements');
    const ports = world.ports.get(relay)!;
    const steps: string[] = [];
    const told = (what: string, key: string) => {
      if (key === 'vci_1') steps.push(what);
    };
    const { enqueue } = ports;
    ports.enqueue = async (region, jobs) => {
      for (const job of jobs)
        for (const [, key] of job.refs) told(`enqueue ${region}, ${job.tightens ? 'first' : 'in turn'}`, key);
      await enqueue(region, jobs);
    };
    ports.cascade = async (placed) => {
      for (const { clusterId } of placed) told('cascade', clusterId);
    };
    ports.arrival = async (moved) => {
      expect(moved).toEqual([
        { clusterId: 'vci_1', regions: ['r2'], arrives: true, leaves: true, fences: [] },
      ]);
      told('arrival', 'vci_1');
    };
    ports.depart = async (placed) => told('depart', placed.clusterId);
    await relay.turn();
    expect(steps).toEqual(['enqueue r2, in turn', 'cascade', 'arrival', 'depart']);
    expect(world.rows.size).toBe(0);
  });

  test('[law 1] killed before it left: another relay does all of it again', async () => {
    for (const tightens of [true, false])
      world.add({ key: 'vci_1', kind: 'cluster', cause: 'placement', tightens });
    world.failing.set('depart vci_1', 1);
    await world.relay('killed', 'placements').turn();
    expect([world.departed, world.rows.size]).toEqual([[], 2]);
    await world.clock.advance(leaseMs + 1);
    await world.relay('other', 'placements').turn();
    expect([world.departed, world.rows.size]).toEqual([['vci_1'], 0]);
  });
});

describe('a few rows are handed over', () => {
  test('[law 1] and stay in the outbox until their regions have published them, or they are in a queue', async () => {
    world.add({ key: 'aki_1', regions: ['quick', 'slow', 'full', 'failing'] });
    let publish!: (outcome: 'published') => void;
    const outcomes: Record<string, ReturnType<RelayPorts['handOver']>> = {
      quick: Promise.resolve('published'),
      slow: new Promise((resolve) => {
        publish = resolve;
      }),
      full: 'left',
      failing: Promise.resolve('left'),
    };
    world.onHandOver = (region) => outcomes[region]!;
    await using relay = world.relay('relay');
    await relay.turn();
    await world.clock.advance(50);
    expect([world.enqueued, world.rows.size], 'nobody knows of the slow one yet').toEqual([[], 1]);
    publish('published');
    await world.clock.advance(0);
    expect(world.enqueued.map(({ region }) => region)).toEqual(['full', 'failing']);
    expect(world.rows.size).toBe(0);
  });

  test('[law 4] a region that hangs keeps its own rows a moment, and no others', async () => {
    world.onHandOver = (region) => (region === 'hung' ? new Promise(() => {}) : Promise.resolve('published'));
    await using relay = world.relay('relay');
    world.add({ key: 'aki_1', regions: ['hung'] });
    await relay.turn();
    world.add({ key: 'aki_2', regions: ['well'] });
    await relay.turn();
    expect(world.named('well')).toEqual(['aki_2']);
    expect([...world.rows.values()].map((row) => row.key)).toEqual(['aki_1']);
    await world.clock.advance(100);
    expect(world.named('hung')).toEqual(['aki_1']);
    expect(world.rows.size).toBe(0);
  });

  test('[law 8] but not many, and one time after another: all else goes into the queues', async () => {
    const handed: string[] = [];
    world.onHandOver = (_region, jobs) => {
      handed.push(...jobs.flatMap(({ refs }) => refs.map(([, key]) => key)));
      return new Promise(() => {});
    };
    await using relay = world.relay('relay');
    for (let n = 0; n < 21; n++) world.add({ key: `aki_many${n}` });
    await relay.turn();
    expect([handed, world.named()]).toEqual([[], expect.objectContaining({ length: 21 })]);
    for (const key of ['aki_1', 'aki_2']) {
      world.add({ key });
      await relay.turn();
    }
    expect([handed, world.named().at(-1)]).toEqual([['aki_1'], 'aki_2']);
    await world.clock.advance(100);
    expect(world.rows.size).toBe(0);
  });

  test('[law 1] a process that ends after it handed over: another relay makes the jobs when the lease is over', async () => {
    world.add({ key: 'aki_1' });
    world.onHandOver = () => Promise.resolve('published');
    world.failing.set('complete', 1);
    world.failing.set('release', 1);
    await world.relay('killed').turn();
    await world.clock.advance(leaseMs + 1);
    expect([world.errors.length, world.rows.size]).toEqual([1, 1]);
    world.onHandOver = () => 'left';
    await world.relay('other').turn();
    expect(world.named()).toEqual(['aki_1']);
    expect(world.rows.size).toBe(0);
  });
});

describe('the loop', () => {
  test('is woken at once, and polls where no notification comes', async () => {
    await using relay = world.relay('relay');
    relay.start();
    await world.clock.advance(0);
    world.add({ key: 'aki_1' });
    relay.wake();
    await world.clock.advance(0);
    expect(world.named()).toEqual(['aki_1']);
    world.add({ key: 'aki_2' });
    await world.clock.advance(499);
    expect(world.named()).toEqual(['aki_1']);
    await world.clock.advance(1);
    expect(world.named()).toEqual(['aki_1', 'aki_2']);
  });

  test('[law 3] goes on after the database was away', async () => {
    await using relay = world.relay('relay');
    world.failing.set('claim', 5);
    relay.start();
    world.add({ key: 'aki_1' });
    await world.clock.advance(30_000);
    expect(world.errors).toHaveLength(5);
    expect(world.named()).toEqual(['aki_1']);
  });
});

describe('jobs', () => {
  let ids = 0;
  const change = (key: string, more: Partial<Change> = {}): Change => ({
    id: ++ids,
    fences: [],
    kind: 'agent-key',
    key,
    regions: ['r1'],
    cause: 'row',
    tightens: false,
    createdAtMs: 1000,
    ...more,
  });

  test('[law 1] go to the regions of when it changed and to those of now', () => {
    const jobs = toJobs(
      [change('aki_1', { regions: ['r1', 'r2'] })],
      new Map([['agent-key/aki_1', ['r2', 'r3']]]),
    );
    expect([...jobs.keys()].sort()).toEqual(['r1', 'r2', 'r3']);
  });

  test('name each context once; a change that tightens wins over one that does not, in either order', () => {
    const [tight, loose] = [change('aki_1', { tightens: true }), change('aki_1')];
    for (const changes of [
      [tight, loose],
      [loose, tight],
    ]) {
      const jobs = toJobs(changes, new Map()).get('r1')!;
      expect(jobs).toEqual([{ refs: [['agent-key', 'aki_1']], tightens: true, changedAtMs: 1000 }]);
    }
  });

  test('[law 6] what tightens goes first and apart', () => {
    const jobs = toJobs(
      [change('aki_1'), change('aki_2', { tightens: true }), change('aki_3')],
      new Map(),
    ).get('r1')!;
    expect(jobs.map(({ refs, tightens }) => [tightens, refs.map(([, key]) => key)])).toEqual([
      [true, ['aki_2']],
      [false, ['aki_1', 'aki_3']],
    ]);
  });

  test('[law 8] name a hundred contexts at the most, and none is lost at the seams', () => {
    const changes = Array.from({ length: 250 }, (_, n) =>
      change(`aki_${n}`, { tightens: n % 2 === 0, createdAtMs: 1000 + n }),
    );
    const jobs = toJobs(changes, new Map()).get('r1')!;
    expect(jobs.map(({ refs }) => refs.length)).toEqual([100, 25, 100, 25]);
    expect(new Set(jobs.flatMap(({ refs }) => refs.map(([, key]) => key))).size).toBe(250);
    expect(jobs[0]!.changedAtMs).toBe(1000);
    expect(jobs[1]!.changedAtMs, 'the oldest change of that very job').toBe(1200);
  });

  test('are none for a change that no region holds', () => {
    expect(toJobs([change('aki_1', { regions: [] })], new Map()).size).toBe(0);
  });

  test('[law 10] carry names and no bodies', () => {
    const [job] = toJobs([change('aki_1')], new Map()).get('r1')!;
    expect(Object.keys(job!).sort()).toEqual(['changedAtMs', 'refs', 'tightens']);
  });
});
