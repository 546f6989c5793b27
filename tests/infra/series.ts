import { collectDefaultMetrics, Registry } from 'prom-client';
import { metricRegistries } from '../../infra/docs/metrics-page.ts';

interface Described {
  name: string;
  type: string;
  labelNames: readonly string[];
}

/** Every series that the roles serve, with the labels it carries beside those of a scrape. */
export function seriesOf(): Map<string, Set<string>> {
  const series = new Map<string, Set<string>>();
  const add = (registry: Registry, labels: readonly string[]) => {
    for (const metric of registry.getMetricsAsArray() as unknown as Described[]) {
      const names =
        metric.type === 'histogram'
          ? ['_bucket', '_sum', '_count'].map((suffix) => `${metric.name}${suffix}`)
          : [metric.name];
      for (const name of names) {
        const known = series.get(name) ?? new Set(['job', 'instance']);
        for (const label of [...metric.labelNames, ...labels]) known.add(label);
        if (name.endsWith('_bucket')) known.add('le');
        series.set(name, known);
      }
    }
  };
  for (const { registry, labels } of metricRegistries()) add(registry, labels);
  const process = new Registry();
  collectDefaultMetrics({ register: process });
  add(process, ['region']);
  series.set('up', new Set(['job', 'instance']));
  return series;
}

/** The series that an expression names, with what stands between its braces. */
export function seriesNamed(expr: string): { name: string; matchers: string }[] {
  return [...expr.matchAll(/\b(up|(?:spokecast|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)].map(
    ([, name, matchers = '']) => ({ name: name!, matchers }),
  );
}

/** The labels that an expression selects, groups and joins by. */
export function labelsNamed(expr: string): string[] {
  const selected = seriesNamed(expr).flatMap(({ matchers }) =>
    [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label!),
  );
  const grouped = [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list]) =>
    list!.split(',').map((label) => label.trim()),
  );
  return [...selected, ...grouped];
}
