import type postgres from 'postgres';
import { systemClock as clock } from '../../contexts/base/clock.ts';
import type { Dice } from '../simulation/dice.ts';
import type { RoleInTrouble, RoleKind } from './role.ts';
import type { Tally } from './tally.ts';
import { inTime } from './waits.ts';
import { redisCommand, type SoakWheel } from './wheel.ts';

/** What can befall a process of each kind, and for how long at the most it is then gone or frozen. */
const troubles: Record<RoleKind, readonly { how: How; forMsMax: number }[]> = {
  publisher: [
    { how: 'killed', forMsMax: 3_000 },
    { how: 'killed', forMsMax: 3_000 },
    { how: 'frozen', forMsMax: 9_000 },
    { how: 'restarted', forMsMax: 500 },
  ],
  hub: [
    { how: 'killed', forMsMax: 3_000 },
    { how: 'frozen', forMsMax: 4_000 },
    { how: 'restarted', forMsMax: 500 },
  ],
  gateway: [
    { how: 'killed', forMsMax: 2_000 },
    { how: 'frozen', forMsMax: 6_000 },
    { how: 'restarted', forMsMax: 500 },
  ],
  store: [
    { how: 'killed', forMsMax: 4_000 },
    { how: 'frozen', forMsMax: 5_000 },
    { how: 'restarted', forMsMax: 1_000 },
  ],
  postgres: [
    { how: 'killed', forMsMax: 2_000 },
    { how: 'restarted', forMsMax: 500 },
    { how: 'crashed', forMsMax: 0 },
  ],
  redis: [
    { how: 'killed', forMsMax: 3_000 },
    { how: 'frozen', forMsMax: 5_000 },
    { how: 'restarted', forMsMax: 500 },
    { how: 'emptied', forMsMax: 0 },
  ],
};
type How = 'killed' | 'frozen' | 'restarted' | 'crashed' | 'emptied';

/** Kinds in the proportion in which trouble is wanted. */
const victims: readonly RoleKind[] = [
  ...(['publisher', 'publisher', 'publisher', 'publisher', 'store', 'store', 'store'] as const),
  ...(['gateway', 'gateway', 'gateway', 'hub', 'hub', 'postgres', 'redis', 'redis'] as const),
];
const atOnceMax = 3;
/** Longer than any trouble lasts and its process may then take to answer. */
const itselfAgainWithinMs = 90_000;

/**
 * Breaks things, a few at a time. Every trouble ends by itself, and the process it befell answers again, before
 * `storm` resolves.
 */
export class Faults {
  readonly #wheel: SoakWheel;
  readonly #dice: Dice;
  readonly #tally: Tally;
  readonly #inTrouble = new Map<RoleInTrouble, Promise<void>>();

  constructor(wheel: SoakWheel, dice: Dice, tally: Tally) {
    this.#wheel = wheel;
    this.#dice = dice;
    this.#tally = tally;
  }

  /** Begins troubles for that long, then waits for their ends. @throws when something does not come back. */
  async storm(forMs: number, signal: AbortSignal): Promise<void> {
    const endsAtMs = clock.monotonic() + forMs;
    let failure: unknown;
    while (clock.monotonic() < endsAtMs && !signal.aborted && failure === undefined) {
      const kind = this.#dice.of(victims.filter((what) => this.#wheel.of(what).length > 0));
      const role = this.#dice.of(this.#wheel.of(kind));
      const { how, forMsMax } = this.#dice.of(troubles[kind]);
      const forThisMs = this.#dice.below(forMsMax + 1);
      if (this.#inTrouble.size < atOnceMax && !this.#inTrouble.has(role) && role.wellSinceMs < clock.now()) {
        const done = this.#befall(role, how, forThisMs)
          .catch((error) => {
            failure ??= error;
          })
          .finally(() => this.#inTrouble.delete(role));
        this.#inTrouble.set(role, done);
      }
      await clock.sleep(100 + this.#dice.below(900), signal);
    }
    await Promise.all(
      [...this.#inTrouble].map(([role, done]) => inTime(`${role.name} again`, done, itselfAgainWithinMs)),
    );
    if (failure !== undefined) throw failure;
  }

  async #befall(role: RoleInTrouble, how: How, forMs: number): Promise<void> {
    const lasting = forMs > 0 ? ` for ${(forMs / 1000).toFixed(1)} s` : '';
    this.#tally.say(`${role.name} is ${how}${lasting}`);
    this.#tally.count('fault', `${role.what} ${how}`);
    switch (how) {
      case 'killed':
        await role.kill();
        break;
      case 'restarted':
        await role.stop();
        break;
      case 'frozen':
        role.freeze();
        await clock.sleep(forMs);
        role.thaw();
        break;
      case 'crashed':
        await crashBackend(this.#wheel.connect(1));
        break;
      case 'emptied':
        await redisCommand(this.#wheel.layout.redisUrl!, 'flushall');
        break;
    }
    if (how === 'killed' || how === 'restarted') {
      await clock.sleep(forMs);
      await role.start();
    }
    this.#tally.did(role.name, 'is itself again');
  }
}

/** `kill -9` of one of Postgres' own processes: it then throws out everybody, and recovers, which is waited for. */
async function crashBackend(sql: postgres.Sql): Promise<void> {
  try {
    process.kill(await backendPid(sql), 'SIGKILL');
    await backendPid(sql);
  } finally {
    await sql.end({ timeout: 0 }).catch(() => {});
  }
}

/** Once there is a backend: Postgres may be recovering. */
async function backendPid(sql: postgres.Sql): Promise<number> {
  const startedAtMs = clock.monotonic();
  for (;;) {
    try {
      const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
      return row!.pid;
    } catch (error) {
      if (clock.monotonic() - startedAtMs > 30_000) throw error;
      await clock.sleep(100);
    }
  }
}
