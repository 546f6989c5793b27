import { Counter, type Metric, type Registry } from 'prom-client';

/**
 * Counts on the hot path: plain numbers, handed to prom-client only when scraped. The labels' values come from closed
 * unions, so that there are few of them.
 */
export class Tally<First extends string = string, Second extends string = string> {
  readonly #counts = new Map<First, Map<Second, { count: number }>>();

  /** @param labels at most two */
  constructor(registry: Registry, name: string, help: string, labels: readonly string[]) {
    const counts = this.#counts;
    new Counter({
      name,
      help,
      labelNames: [...labels],
      registers: [registry],
      collect() {
        this.reset();
        for (const [first, row] of counts)
          for (const [second, { count }] of row) {
            const values = [first, second];
            this.inc(Object.fromEntries(labels.map((label, at) => [label, values[at]!])), count);
          }
      },
    });
  }

  /** The labels' values, as many as there are labels. No text is made of them: that would cost more than counting. */
  add(first: First = '' as First, second: Second = '' as Second): void {
    const cell = this.#counts.get(first)?.get(second);
    if (cell === undefined) this.#begin(first, second);
    else cell.count += 1;
  }

  #begin(first: First, second: Second): void {
    const row = this.#counts.get(first) ?? new Map<Second, { count: number }>();
    row.set(second, { count: 1 });
    this.#counts.set(first, row);
  }
}

/**
 * Durations by one label, sorted into buckets: what prom-client's own histogram tells, for a tenth of what observing
 * costs there.
 */
export class Durations<Label extends string> {
  readonly #buckets: readonly number[];
  readonly #rows = new Map<Label, { counts: number[]; sum: number }>();

  /** @param buckets upper bounds in seconds, ascending */
  constructor(
    registry: Registry,
    options: { name: string; help: string; label: string; buckets: readonly number[] },
  ) {
    const { name, help, label, buckets } = options;
    this.#buckets = buckets;
    const described = { name, help, type: 'histogram', aggregator: 'sum', labelNames: [label] };
    const metric = {
      ...described,
      get: async () => ({
        ...described,
        values: [...this.#rows].flatMap(([value, row]) => this.#valuesOf(name, { [label]: value }, row)),
      }),
      reset: () => this.#rows.clear(),
    };
    registry.registerMetric(metric as unknown as Metric); // whatever has these four and `get` is one
  }

  observe(label: Label, durationMs: number): void {
    let row = this.#rows.get(label);
    if (row === undefined) {
      row = { counts: new Array(this.#buckets.length + 1).fill(0), sum: 0 };
      this.#rows.set(label, row);
    }
    const seconds = durationMs / 1_000;
    let bucket = 0;
    while (bucket < this.#buckets.length && seconds > this.#buckets[bucket]!) bucket += 1;
    row.counts[bucket]! += 1;
    row.sum += seconds;
  }

  #valuesOf(
    name: string,
    labels: Record<string, string>,
    { counts, sum }: { counts: number[]; sum: number },
  ) {
    let below = 0;
    const values: { metricName: string; labels: Record<string, string | number>; value: number }[] = [];
    for (const [at, count] of counts.entries()) {
      below += count;
      const le = this.#buckets[at] ?? '+Inf';
      values.push({ metricName: `${name}_bucket`, labels: { le, ...labels }, value: below });
    }
    values.push({ metricName: `${name}_sum`, labels, value: sum });
    values.push({ metricName: `${name}_count`, labels, value: below });
    return values;
  }
}
