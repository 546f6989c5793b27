import type { Clock } from '../../contexts/base/clock.ts';
import type { Random } from '../../contexts/base/random.ts';
import type { Upstream } from '../prepared.ts';

export interface UpstreamsSettings {
  /** Failures in a row after which an upstream is left alone, */
  failuresMax: number;
  /** for so long. Then one request in each such time tries it, until one succeeds. */
  outMs: number;
  /** Exchanges with one upstream at the same time. */
  connectionsMax: number;
}

/** Upstreams of which failures are remembered. Beyond it the oldest is forgotten, and so taken for healthy. */
const troubledMax = 10_000;

/** Upstreams without an exchange under way that are kept for their next one. */
const idleMax = 10_000;

interface Troubled {
  failures: number;
  /** Until when it is left alone; in the past while it may be tried. */
  outUntil: number;
}

/**
 * Which upstream takes a request, from what this gateway itself has met with (passive health): there are no probes,
 * because what a probe asks is not what agents ask.
 *
 * An upstream, known by its origin and shared by all clusters that name it, is *well*; or *troubled*, with up to
 * `failuresMax - 1` failures in a row; or *out*. Any answer makes it well, whatever its status: a 500 is the
 * upstream's word, and which words are failures of its own only its owner knows. Where everything is out, nothing
 * is: a request that may fail is better than one that must.
 */
export class Upstreams {
  readonly #settings: UpstreamsSettings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #troubled = new Map<string, Troubled>();
  /** Exchanges under way by origin. Those that have none are taken out when there are many. */
  readonly #underWay = new Map<string, { count: number }>();

  constructor(settings: UpstreamsSettings, { clock, random }: { clock: Clock; random: Random }) {
    this.#settings = settings;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * One of `upstreams` (ascending by priority), none of `tried`; undefined where all that are left have as many
   * exchanges under way as they may. Whoever takes one {@link begin}s and ends the exchange, and tells what came of it.
   */
  choose(upstreams: readonly Upstream[], tried?: ReadonlySet<Upstream>): Upstream | undefined {
    const [only] = upstreams;
    if (upstreams.length === 1 && only !== undefined)
      return !tried?.has(only) && this.#hasRoom(only) ? only : undefined;
    const open = upstreams.filter((upstream) => !tried?.has(upstream) && this.#hasRoom(upstream));
    if (open.length <= 1) return open[0];
    const well = open.filter((upstream) => !this.isOut(upstream.origin));
    const usable = well.length > 0 ? well : open;
    const priority = usable[0]!.priority;
    const chosen = this.#byWeight(usable.filter((upstream) => upstream.priority === priority));
    const troubled = this.#troubled.get(chosen.origin);
    // The one request that tries it; the others leave it alone until that has come back.
    if (troubled && troubled.failures >= this.#settings.failuresMax)
      troubled.outUntil = this.#clock.monotonic() + this.#settings.outMs;
    return chosen;
  }

  isOut(origin: string): boolean {
    const troubled = this.#troubled.get(origin);
    if (troubled === undefined) return false;
    return troubled.failures >= this.#settings.failuresMax && this.#clock.monotonic() < troubled.outUntil;
  }

  /** Counts an exchange as under way until the function it returns is called (again and again is once). */
  begin({ origin }: Upstream): () => void {
    const underWay = this.#underWay.get(origin) ?? this.#firstOf(origin);
    underWay.count += 1;
    let over = false;
    return () => {
      if (!over) underWay.count -= 1;
      over = true;
    };
  }

  answered({ origin }: Upstream): void {
    if (this.#troubled.size > 0) this.#troubled.delete(origin);
  }

  /** Returns whether this was the failure that put it out. */
  failed({ origin }: Upstream): 'put-out' | 'noted' {
    const { failuresMax, outMs } = this.#settings;
    const failures = (this.#troubled.get(origin)?.failures ?? 0) + 1;
    this.#troubled.delete(origin); // to its end: the first of the map is the one that failed longest ago
    this.#troubled.set(origin, { failures, outUntil: this.#clock.monotonic() + outMs });
    if (this.#troubled.size > troubledMax) this.#troubled.delete(this.#troubled.keys().next().value!);
    return failures === failuresMax ? 'put-out' : 'noted';
  }

  /** Upstreams that are left alone now. */
  get out(): number {
    let out = 0;
    for (const [origin] of this.#troubled) if (this.isOut(origin)) out += 1;
    return out;
  }

  #firstOf(origin: string): { count: number } {
    if (this.#underWay.size >= idleMax)
      for (const [each, { count }] of this.#underWay) if (count === 0) this.#underWay.delete(each);
    const underWay = { count: 0 };
    this.#underWay.set(origin, underWay);
    return underWay;
  }

  #hasRoom({ origin }: Upstream): boolean {
    return (this.#underWay.get(origin)?.count ?? 0) < this.#settings.connectionsMax;
  }

  #byWeight(upstreams: readonly Upstream[]): Upstream {
    let at = this.#random.fraction() * upstreams.reduce((sum, { weight }) => sum + weight, 0);
    for (const upstream of upstreams) {
      at -= upstream.weight;
      if (at < 0) return upstream;
    }
    return upstreams.at(-1)!;
  }
}
