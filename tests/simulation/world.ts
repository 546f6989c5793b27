import { VirtualClock } from '../support/virtual-clock.ts';
import { Dice } from './dice.ts';
import { Editor, universe } from './edits.ts';
import { Faults, type Process } from './faults.ts';
import { type GatewayPlant, SimulatedGateway } from './gateway.ts';
import { publisherCountOf } from './generate.ts';
import { Hazards } from './hazards.ts';
import { BlockedError, type Transaction } from './hub/database.ts';
import { SimulatedHub } from './hub/hub.ts';
import { type PublisherPlant, SimulatedPublisher } from './publisher.ts';
import { JobQueue } from './queue.ts';
import { SimulatedRegion } from './region.ts';
import { type Backup, backUp, restore } from './restore.ts';
import {
  describe,
  gatewayCount,
  gatewayName,
  publisherName,
  regionCount,
  regionName,
  type Step,
} from './steps.ts';
import { timing } from './timing.ts';
import { type Fact, Truth } from './truth.ts';

/** Where a planted bug gets in. */
export interface Plant extends GatewayPlant, Omit<PublisherPlant, 'store'> {
  publisherStore?: PublisherPlant['store'];
  hub?(hub: SimulatedHub): void;
  /** A promotion takes over nothing of what the regions know. */
  importsNothing?: boolean;
}

interface OpenTransaction {
  tx: Transaction;
  facts: Fact[];
}

/** What was lost for good, so that only a sweep can find it. */
export type Loss = 'outbox row' | 'job' | 'item' | 'table' | 'database';

const ownerOf = (region: string) => ({ environment: 'sim', region, hubId: 'hub' });

/** Hub, publishers, regions and gateways, all in one process and on one clock. */
export class World {
  readonly clock = new VirtualClock();
  readonly hazards = new Hazards();
  readonly faults = new Faults(this.clock, this.hazards);
  readonly truth = new Truth();
  readonly hub: SimulatedHub;
  readonly editor: Editor;
  readonly regions: { region: SimulatedRegion; queue: JobQueue; gateways: SimulatedGateway[] }[];
  readonly publishers: SimulatedPublisher[];
  readonly violations: string[] = [];
  readonly losses = new Set<Loss>();
  readonly #open: OpenTransaction[] = [];
  readonly #dice: Dice;
  readonly #sweeping = new Set<{ region: number; process: Process }>();
  readonly #onEvent: (what: string) => void;
  #incarnations = 0;
  #rowsDoomed = 0;
  #backup: Backup | undefined;
  readonly #importsNothing: boolean | undefined;

  constructor(seed: number, plant: Plant = {}, onEvent: (what: string) => void = () => {}) {
    this.#dice = new Dice(seed + 1_000_000);
    const { random } = this.#dice;
    this.#onEvent = (what) =>
      onEvent(
        `${String(Math.round(this.clock.monotonic())).padStart(6)} ms  ${what.replace(/_0{10,}(?=\d)/g, '_')}`,
      );
    const onEventHere = this.#onEvent;
    const onViolation = (what: string) => this.violations.push(what);
    const names = Array.from({ length: regionCount }, (_, n) => regionName(n));
    this.hub = new SimulatedHub(this.clock, names);
    plant.hub?.(this.hub);
    this.#importsNothing = plant.importsNothing;
    this.hub.onCommitted = () => {
      this.truth.committed(this.hub.database.commits, names, universe);
      this.#loseRows(this.hub.database.commits);
    };
    this.hub.onTakenOver = () => this.hazards.met('lease: taken over');
    this.editor = new Editor(this.hub, this.clock, random);
    this.regions = names.map((name, n) => {
      const region = new SimulatedRegion(name, this.faults, this.hazards, random);
      return { region, queue: new JobQueue(this.clock, this.hazards), gateways: [] as SimulatedGateway[], n };
    });
    for (const [n, { region, gateways }] of this.regions.entries()) {
      void region.store.initialise(ownerOf(region.id), {
        shards: 4,
        newIncarnation: `first-of-${region.id}`,
      });
      for (let at = 0; at < gatewayCount; at++) {
        const gateway = new SimulatedGateway({
          name: gatewayName(n, at),
          region,
          clock: this.clock,
          random,
          hazards: this.hazards,
          pollMs: timing.pollMs,
          wasGoneSince: (ref, revision) =>
            this.truth.wasGoneSince(region.id, ref, this.hub.commitOf.get(revision) ?? 0),
          onViolation,
          onEvent: onEventHere,
          plant,
        });
        gateways.push(gateway);
      }
    }
    this.publishers = Array.from(
      { length: publisherCountOf(seed) },
      (_, n) =>
        new SimulatedPublisher({
          name: publisherName(n),
          hub: this.hub,
          regions: this.regions,
          clock: this.clock,
          faults: this.faults,
          hazards: this.hazards,
          onEvent: onEventHere,
          onViolation,
          plant: { ...plant, store: plant.publisherStore },
        }),
    );
  }

  note(what: string): void {
    this.#onEvent(what);
  }

  async do(step: Step): Promise<void> {
    this.note(`> ${describe(step)}`);
    await this.#do(step);
    await this.clock.advance(0);
    this.look();
  }

  /** Law 2 of every store. */
  look(): void {
    for (const { region } of this.regions) this.violations.push(...region.wentBack());
    const lost = this.regions.some(({ queue }) => queue.lost > 0);
    if (lost) this.losses.add('job');
  }

  async #do(step: Step): Promise<void> {
    const { hazards, faults, clock } = this;
    const at = 'region' in step ? this.regions[step.region]! : this.regions[0]!;
    const publisher =
      'publisher' in step ? this.publishers[step.publisher % this.publishers.length]! : this.publishers[0]!;
    switch (step.do) {
      case 'edit':
        this.edit(step.edits, step.open);
        return;
      case 'commit':
      case 'rollback': {
        const [open] = this.#open.splice(step.nth % Math.max(1, this.#open.length), 1);
        if (open) this.#end(open, step.do);
        return;
      }
      case 'pass':
        return clock.advance(step.ms);
      case 'run':
        return this.run(step.ms);
      case 'relay':
        return publisher.relay(step.takes);
      case 'work':
        publisher.work(step.region, step.nth);
        return;
      case 'sweep':
        this.#sweep(publisher, step.region);
        return;
      case 'ask':
        for (const [n, ref] of universe.entries()) {
          if (step.one === undefined || step.one === n) void at.gateways[step.gateway]!.ask(ref);
        }
        return;
      case 'arm':
        return faults.arm(step.rule);
      case 'resume':
        this.#resume(step.nth);
        return;
      case 'outage':
        if (step.on) faults.outages.add(at.region.id);
        else faults.outages.delete(at.region.id);
        return;
      case 'lose':
        return this.#lose(step);
      case 'duplicate':
        return at.queue.duplicate(step.nth);
      case 'stall':
        at.queue.redeliver();
        return;
      case 'tamper': {
        const { database, epoch } = this.hub;
        const held = universe.filter((ref) => at.region.table.raw(ref));
        const ref = held[step.n % Math.max(1, held.length)];
        const name = ref && at.region.tamper(step.how, ref, database.revision, epoch);
        if (name === undefined) return;
        this.losses.add('item');
        return this.note(`${name} in ${at.region.id}: ${step.how}`);
      }
      case 'crash':
        return publisher.crash();
      case 'probe':
        return this.#probe(step.region);
      case 'restart':
        hazards.met('gateway: restarted');
        return at.gateways[step.gateway]!.restart();
      case 'back up':
        this.#backup = backUp(this.hub, this.truth);
        return;
      case 'restore':
        return this.#restore();
      case 'step clock':
        hazards.met('clock: stepped');
        return clock.stepWall(step.ms);
    }
  }

  /** Makes the edits in one transaction. */
  edit(edits: Extract<Step, { do: 'edit' }>['edits'], open = false): void {
    const tx = this.hub.database.begin();
    try {
      const facts = edits.flatMap((edit) => this.editor.make(tx, edit));
      if (!open || this.#open.length >= 3) this.#end({ tx, facts }, 'commit');
      else this.#open.push({ tx, facts });
    } catch (error) {
      if (!(error instanceof BlockedError)) throw error;
      tx.rollback();
      this.hazards.met('transaction: blocked');
    }
  }

  #end({ tx, facts }: OpenTransaction, how: 'commit' | 'rollback'): void {
    if (how === 'rollback') {
      this.hazards.met('transaction: rolled back');
      tx.rollback();
      return;
    }
    if (tx.xid !== undefined && tx.xid < this.hub.database.xid)
      this.hazards.met('transaction: committed late');
    for (const fact of facts) this.truth.apply(fact);
    tx.commit();
    for (const { thing, id, is, ...more } of facts)
      this.note(
        `  ${thing}/${id}${'region' in more ? ` in ${more.region}` : ''} ${is ? 'is set' : 'is gone'}`,
      );
  }

  #sweep(publisher: SimulatedPublisher, region: number): void {
    const { process } = publisher;
    const alive = [...this.#sweeping].filter((one) => one.region === region && !one.process.dead);
    if (alive.length >= 3) return; // stalled ones, and one that was started in their place
    const sweep = { region, process };
    this.#sweeping.add(sweep);
    void publisher.sweep(region).finally(() => this.#sweeping.delete(sweep));
  }

  /** Whoever was frozen for too long counts as dead: its process is another one by now. */
  #resume(nth: number): void {
    const parked = this.faults.parked[nth % Math.max(1, this.faults.parked.length)];
    if (!parked) return;
    if (this.clock.monotonic() - parked.sinceMs > timing.frozenMaxMs && parked.process.is === 'publisher') {
      this.faults.drop(parked);
      const owner = this.publishers.find((publisher) => publisher.process === parked.process);
      owner?.crash();
      return;
    }
    this.note(`${parked.process.name} wakes ${parked.when} ${parked.place}`);
    this.faults.resume(nth);
  }

  #lose(step: Extract<Step, { do: 'lose' }>): void {
    const { region, queue, gateways } = this.regions[step.region]!;
    const { feed } = region.table;
    switch (step.what) {
      case 'outbox row':
        this.#rowsDoomed += 1;
        this.#loseRows(step.nth);
        return;
      case 'job':
        queue.lose(step.nth);
        return;
      case 'announcement':
        region.announcementsDoomed += 1;
        return;
      case 'feed':
        this.hazards.met('lost: announcement', feed.size);
        feed.clear();
        return;
      case 'head of the feed':
        if (region.table.feedHead === undefined) return;
        region.table.feedHead = undefined;
        this.hazards.met('lost: head of the feed');
        return;
      case 'marks of sweeps':
        this.hub.forgetSweeps(region.id);
        this.hazards.met('lost: marks of sweeps');
        return;
      case 'table':
        if (!region.drop()) return;
        for (const gateway of gateways) gateway.lostTable();
        this.hazards.met('lost: table');
        this.losses.add('table');
    }
  }

  /** Rows of the outbox that are to be lost, as soon as there are any. */
  #loseRows(nth: number): void {
    const { outbox } = this.hub.database.committed;
    while (this.#rowsDoomed > 0 && outbox.size > 0) {
      this.#rowsDoomed -= 1;
      outbox.delete([...outbox.keys()][nth % outbox.size]!);
      this.hazards.met('lost: outbox row');
      this.losses.add('outbox row');
    }
  }

  /** Only where every region can be asked: else the command refuses. */
  async #restore(): Promise<void> {
    const regions = this.regions.map(({ region }) => region);
    const answers = regions.every(({ id, table }) => table.identity && !this.faults.outages.has(id));
    if (!this.#backup || !answers) return;
    for (const open of this.#open.splice(0)) this.#end(open, 'rollback');
    const { hub, truth } = this;
    this.losses.add('database');
    this.hazards.met('hub: restored');
    const importsNothing = this.#importsNothing;
    const parts = { hub, truth, regions, nowMs: this.clock.now(), importsNothing };
    const wrong = await restore(this.#backup, parts);
    this.violations.push(...wrong);
    this.note(`the hub is as it was, in epoch ${hub.epoch}`);
  }

  async #probe(region: number): Promise<void> {
    const { table } = this.regions[region]!.region;
    if (!table.identity) this.hazards.met('table not whole');
    await this.publishers[0]!.probe(
      region,
      ownerOf(regionName(region)),
      `incarnation-${++this.#incarnations}`,
    );
    // As an announcer does: a head that was lost is made anew before the first entry.
    if (!table.feedHead) await this.regions[region]!.region.store.announce([], this.clock.now());
  }

  // ---------------------------------------------------------------------------------------------------- in health

  /** Publishers at work for `ms`: whatever waits in the outbox or a queue is taken by one of them. */
  async run(ms: number): Promise<void> {
    const sliceMs = 20;
    for (let gone = 0; gone < ms; gone += sliceMs) {
      for (const publisher of this.publishers) {
        if (this.hub.database.committed.outbox.size > 0) {
          publisher.relay('all-else');
          publisher.relay('placements');
        }
        for (const [n, { queue }] of this.regions.entries())
          for (let taken = 0; taken < 3 && queue.isDue; taken++) publisher.work(n, 'first');
      }
      await this.clock.advance(sliceMs);
    }
  }

  /** No more faults: transactions end, tables are there, whoever was frozen wakes or is dead. */
  async calm(): Promise<void> {
    this.faults.clear();
    this.#rowsDoomed = 0;
    for (const { region, queue } of this.regions) {
      region.announcementsDoomed = 0;
      queue.calm();
    }
    for (const [n, open] of this.#open.splice(0).entries())
      this.#end(open, n % 3 === 2 ? 'rollback' : 'commit');
    for (let n = 0; n < this.regions.length; n++) await this.#probe(n);
    while (this.faults.parked.length > 0) {
      this.#resume(0);
      await this.clock.advance(0);
    }
    const alive = new Set(this.publishers.map((publisher) => publisher.process));
    for (const { queue } of this.regions) queue.redeliver((job) => !alive.has(job.by!));
    this.look();
  }

  /** Whether nothing is waiting or under way. */
  get atRest(): boolean {
    const idle = this.regions.every(({ queue }) => queue.size === 0 && queue.busy === 0);
    return idle && this.hub.database.committed.outbox.size === 0;
  }

  kill(): void {
    for (const { gateways } of this.regions) for (const gateway of gateways) void gateway.stop();
  }
}
