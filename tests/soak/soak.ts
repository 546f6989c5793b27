import { join } from 'node:path';
import type postgres from 'postgres';
import { systemClock as clock } from '../../contexts/base/clock.ts';
import { systemRandom } from '../../contexts/base/random.ts';
import { DynamoStore } from '../../contexts/stores/dynamodb.ts';
import { Dice } from '../simulation/dice.ts';
import { freePortBase } from '../support/wheel.ts';
import { writeByApi } from './api-writer.ts';
import { Convergence } from './convergence.ts';
import { Faults } from './faults.ts';
import { FeedWatch } from './feed-watch.ts';
import { History, installHistory } from './history.ts';
import { describeSuspicion, explained, OrderJudge } from './judge.ts';
import { Platform } from './platform.ts';
import { Reader } from './reader.ts';
import { writeBySql } from './sql-writer.ts';
import { Tally } from './tally.ts';
import { inTime } from './waits.ts';
import { SoakWheel } from './wheel.ts';

export interface SoakInput {
  minutes: number;
  seed: number;
  regions: number;
  directory: string;
  /** Jobs are kept in a Redis of this program; without one, in Postgres. */
  redisServer: string | undefined;
  /** Ends the troubles early; what there is by then is checked all the same. */
  signal: AbortSignal;
  print(line: string): void;
}

export interface SoakOutcome {
  /** What went against a law, one sentence each. None: all is well. */
  problems: readonly string[];
  tally: Tally;
}

const sqlWriters = 3;
const apiWriters = 2;
const stormMs = { least: 7_000, span: 6_000 };
const quietMs = 4_000;
/** Longer than a statement or a request of a writer may take; and than a reader or watcher waits for an answer. */
const writersEndWithinMs = 30_000;
const judgedWithinMs = 60_000;

/**
 * Changes, reads and breaks a wheel of real processes, in storms with quiet between them, then checks it whole.
 *
 * In the quiet, what was answered so far is judged by what was committed (judge.ts). At the end nothing is broken or
 * changed any more: one sweep a region, then every store and every gateway must equal what plain SQL derives, and a
 * second sweep must find nothing.
 */
export async function soak(input: SoakInput): Promise<SoakOutcome> {
  const { seed, signal, directory, print } = input;
  await using tally = new Tally(join(directory, 'soak.log'), print);
  const dice = (of: number) => new Dice(seed * 31 + of);
  tally.say(`seed ${seed}, queues in ${input.redisServer ? 'Redis' : 'Postgres'}, ${input.regions} regions`);
  const portBase = await freePortBase();
  await using wheel = new SoakWheel({ ...input, portBase, say: (line) => tally.say(line) });
  await wheel.start(installHistory);
  const platform = new Platform(wheel.layout.regions.map(({ id }) => id));
  const sql = wheel.connect(2);
  await using held = new AsyncDisposableStack();
  held.defer(() => sql.end({ timeout: 1 }).catch(() => {}));
  await platform.seed(sql);
  tally.say('the wheel turns');

  const stopping = new AbortController();
  const problems: string[] = [];
  const stalls = new Stalls(stopping.signal);
  const watches = wheel.layout.regions.map(({ id, store: { endpoint, table } }) => {
    const store = DynamoStore.connect({
      table,
      endpoint,
      requestTimeoutMs: 1_500,
      clock,
      random: systemRandom,
    });
    held.use(store);
    return { id, store, watch: new FeedWatch(id, store) };
  });
  const readers = wheel.of('gateway').map((gateway) => {
    const { watch } = watches.find(({ id }) => id === gateway.region)!;
    const reader = new Reader({
      gateway,
      url: wheel.gatewayUrl(gateway.region!, Number(gateway.name.at(-1))),
      platform,
      tally,
      signal: stopping.signal,
      calmSinceMs: () => Math.max(wheel.calmSinceMs(gateway), stalls.lastMs),
      onAnswer: (answer, calmSinceMs) => watch.check(answer, calmSinceMs),
    });
    return held.use(reader);
  });
  const writing = new AbortController();
  const writerSql = wheel.connect(sqlWriters);
  held.defer(() => writerSql.end({ timeout: 1 }).catch(() => {}));
  const hub = { url: wheel.layout.hub.url, applicationKey: wheel.applicationKey };
  const onMistake = (what: string) => problems.push(`the hub: ${what}`);
  const writer = (n: number, name: string) => ({
    platform,
    dice: dice(n),
    tally,
    signal: writing.signal,
    name,
  });
  const writers = [
    ...Array.from({ length: sqlWriters }, (_, n) => writeBySql(writerSql, writer(n + 1, `psql ${n + 1}`))),
    ...Array.from({ length: apiWriters }, (_, n) =>
      writeByApi(hub, { ...writer(n + 11, `admin ${n + 1}`), onMistake, visitor: {} }),
    ),
  ];
  const watching = [
    ...readers.map((reader) => reader.run()),
    ...watches.map(({ watch }) => watch.run(stopping.signal)),
  ];

  const watcherNames = [
    ...readers.map(({ gateway }) => `the reader of ${gateway.name}`),
    ...watches.map(({ id }) => `the watch of ${id}`),
  ];
  const writersEnd = () =>
    Promise.all(writers.map((one, n) => inTime(`the end of writer ${n + 1}`, one, writersEndWithinMs)));

  const order = new OrderJudge();
  const judge = async () => {
    const answers = readers.flatMap((reader) => reader.take());
    const history = await historyWith(sql);
    order.judge(answers, history);
    for (const { watch } of watches) {
      for (const suspicion of watch.suspicions.values())
        if (!explained(suspicion, history)) problems.push(describeSuspicion(suspicion));
      watch.suspicions.clear();
    }
    problems.push(...order.violations.splice(0), ...readers.flatMap(({ mistakes }) => mistakes.splice(0)));
    return history;
  };

  const faults = new Faults(wheel, dice(0), tally);
  const forMs = input.minutes * 60_000;
  const startedAtMs = clock.monotonic();
  const elapsed = () => clock.monotonic() - startedAtMs;
  const stormDice = dice(20);
  try {
    while (elapsed() < forMs && !signal.aborted && problems.length === 0) {
      const storm = stormMs.least + stormDice.below(stormMs.span);
      await faults.storm(Math.min(storm, Math.max(0, forMs - elapsed())), signal);
      await clock.sleep(quietMs, signal);
      await inTime('a judgement of the answers', judge(), judgedWithinMs);
      const changes = tally.total('change', (what) => !/failed|un|rolled|refused/.test(what));
      tally.say(
        `-- quiet after ${(elapsed() / 1000).toFixed(0)} of ${forMs / 1000} s: ${changes} changes, ` +
          `${tally.total('fault')} faults, ${order.judged} answers judged, ${problems.length} problems`,
      );
    }
    if (signal.aborted) tally.say('asked to end: checking what there is');
    writing.abort();
    await writersEnd();
    tally.say('nothing changes or breaks any more; one sweep a region');
    const stores = watches.map(({ id, store }) => ({ id, store }));
    const convergence = new Convergence({ sql, hub, stores, readers, platform, tally });
    problems.push(...(await convergence.check()));
  } catch (error) {
    problems.push(`the soak could not go on: ${error instanceof Error ? error.stack : error}`);
  } finally {
    writing.abort();
    stopping.abort();
    await Promise.all([
      writersEnd(),
      ...watching.map((one, n) => inTime(`the end of ${watcherNames[n]}`, one, writersEndWithinMs)),
    ]).catch((error) => problems.push(String(error)));
  }
  const history = await inTime('the last judgement', judge(), judgedWithinMs).catch((error) => {
    problems.push(`the last answers could not be judged: ${error}`);
    return undefined;
  });
  for (const role of wheel.roles.values()) {
    problems.push(...role.deaths.map((how) => `${role.name} ended by itself: ${how}`));
    if (role.hangs > 0) problems.push(`${role.name} was asked to end and did not, ${role.hangs} times`);
  }
  tally.count('checked', 'answers of gateways, each not older than the one before', order.judged);
  tally.count('checked', 'states committed, which answers were compared with', history?.rows ?? 0);
  for (const { watch } of watches) {
    tally.count('checked', 'announcements read', watch.announcements);
    tally.count('checked', 'denials announced', watch.denialsSeen);
    tally.count(
      'checked',
      'acceptances, none of a key more than 1 s after its denial',
      watch.acceptancesChecked,
    );
  }
  tally.did('summary', tally.table());
  return { problems, tally };
}

/** Right after a fault the first query may meet a connection that is gone. */
async function historyWith(sql: postgres.Sql): Promise<History> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await History.read(sql);
    } catch (error) {
      if (attempt === 10) throw error;
      await clock.sleep(300);
    }
  }
}

/** Notes when this process, and so most likely the whole machine, had no time: then nobody can be prompt. */
class Stalls {
  lastMs = 0;

  constructor(signal: AbortSignal) {
    void this.#watch(signal);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const before = clock.monotonic();
      await clock.sleep(20);
      if (clock.monotonic() - before > 270) this.lastMs = clock.now();
    }
  }
}
