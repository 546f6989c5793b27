import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import { Loop } from '../contexts/base/loop.ts';
import { jittered, type Random } from '../contexts/base/random.ts';
import type { Store } from '../contexts/store.ts';
import { KnownKeys } from './cache/known-keys.ts';
import type { GatewayConfig } from './config.ts';

export interface CensusOptions {
  store: Pick<Store, 'scan'>;
  known: KnownKeys;
  /** Whether the feed is followed: only then is nothing missed that comes to be behind the census. */
  mayBegin(): boolean;
  clock: Clock;
  random: Random;
  onTold(keys: number, durationMs: number): void;
  onError(error: unknown): void;
}

/** What a gateway's options make of it: no census in a rehearsal, or where no names are to be kept. */
export function censusOf(
  config: Pick<GatewayConfig, 'knownKeysMax' | 'shadowSocket'>,
  parts: Omit<CensusOptions, 'known' | 'onTold' | 'onError'> & { log: Logger },
): Census | undefined {
  const { knownKeysMax: keysMax, shadowSocket } = config;
  if (keysMax === 0 || shadowSocket !== undefined) return undefined;
  const { log, random } = parts;
  const known = new KnownKeys({ keysMax, random });
  return new Census({
    ...parts,
    known,
    onTold: (keys, durationMs) =>
      log.info({ keys, durationMs: Math.round(durationMs) }, 'the census is told'),
    onError: (error) => {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn(
        { reason },
        'the census was interrupted; until it is told, new keys share a budget with unknown ones',
      );
    },
  });
}

/** After this many keys or more there is a pause, as long as makes it that many a second at the most. */
const keysPerBreath = 100;
const keysPerSecondMax = 20_000;
/** After so long it is all read again: the backstop for an announcement that was lost without a trace. */
const againAfterMs = 6 * 3_600_000;

/**
 * Reads which agent keys there are in the region, behind the scenes, and keeps their names in {@link KnownKeys}, not
 * what they are. Callers name no other kind.
 */
export class Census implements AsyncDisposable {
  readonly known: KnownKeys;
  readonly #options: CensusOptions;
  readonly #loop: Loop;
  #toldAt = 0;

  constructor(options: CensusOptions) {
    this.#options = options;
    this.known = options.known;
    const { clock, random, onError } = options;
    this.#loop = new Loop({
      name: 'census',
      clock,
      everyMs: () => jittered(random, 1_000, 0.5),
      retryMs: (failures) => jittered(random, Math.min(60_000, 1_000 * 2 ** failures), 0.5),
      turn: (signal) => this.#turn(signal),
      onError,
    });
  }

  start(): void {
    this.#loop.start();
  }

  get ageMs(): number {
    return this.#loop.ageMs();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#loop.stop();
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { store, known, clock, mayBegin, onTold } = this.#options;
    const startedAt = clock.monotonic();
    if (!mayBegin() || (known.isTold && startedAt - this.#toldAt < againAfterMs)) return;
    known.begin();
    let [keys, sinceBreath] = [0, 0];
    for await (const run of store.scan('agent-key')) {
      if (signal.aborted) return;
      for (const { key } of run) known.add(`agent-key/${key}`);
      keys += run.length;
      sinceBreath += run.length;
      if (sinceBreath < keysPerBreath) continue;
      await clock.sleep((sinceBreath / keysPerSecondMax) * 1_000, signal);
      sinceBreath = 0;
    }
    if (known.finish() === 'doubted') return; // announcements were missed meanwhile: the next turn reads again
    this.#toldAt = clock.monotonic();
    onTold(keys, this.#toldAt - startedAt);
  }
}
