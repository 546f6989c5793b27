import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { refusals } from '../../spoke/decide.ts';
import { seriesOf } from './series.ts';

const rules = readFileSync('infra/monitoring/alerts.yml', 'utf8');
const operations = readFileSync('docs/operations.md', 'utf8');

/** Every series there is, with the labels it carries beside those of a scrape. */
const series = seriesOf();

const selectors = [...rules.matchAll(/\b(up|spokecast_\w+)(?:\{([^}]*)\})?/g)]
  .filter(([, name]) => series.has(name!) || name!.startsWith('spokecast_'))
  .map(([, name, matchers = '']) => ({ name: name!, matchers }));

test('every metric and label that a rule names exists', () => {
  expect(selectors.length).toBeGreaterThan(20);
  const unknown = selectors.flatMap(({ name, matchers }) => {
    const labels = series.get(name);
    if (!labels) return [name];
    const named = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map((match) => match[1]!);
    return named.filter((label) => !labels.has(label)).map((label) => `${name}{${label}}`);
  });
  expect(unknown).toEqual([]);
});

test('a rule groups and joins by labels that its metrics have', () => {
  const wrong: string[] = [];
  for (const rule of ruleBlocks()) {
    const labels = selectorsOf(rule).map((name) => series.get(name)!);
    for (const [, list] of rule.matchAll(/\b(?:by|on) \(([^)]*)\)/g)) {
      for (const label of list!.split(',').map((one) => one.trim()))
        if (!labels.every((known) => known.has(label))) wrong.push(`${alertOf(rule)}: ${label}`);
    }
    for (const [, label] of rule.matchAll(/\$labels\.(\w+)/g))
      if (!labels.some((known) => known.has(label!))) wrong.push(`${alertOf(rule)}: ${label}`);
  }
  expect(wrong).toEqual([]);
});

test('every loop and refusal code that a rule names exists, and every loop has an alarm', () => {
  const named = (label: string) =>
    new Set(
      selectors.flatMap(({ matchers }) =>
        [...matchers.matchAll(new RegExp(`${label}(?:=~|!~|!=|=)"([^"]*)"`, 'g'))].flatMap((match) =>
          match[1]!.split('|'),
        ),
      ),
    );
  const sources = globSync(['hub/**/*.ts', 'publisher/*.ts', 'spoke/**/*.ts'])
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
  const loops = [
    ...sources.matchAll(/new Loop\(\{\s*name: (?:[^\n]*\? )?'([^']+)'(?: : '([^']+)')?/g),
  ].flatMap((match) => [match[1]!, match[2]!].filter(Boolean));
  expect(loops.length).toBeGreaterThan(8);
  expect([...named('loop')].sort()).toEqual([...new Set(loops)].sort());
  const unknown = [...named('code')].filter((code) => code !== 'GRANTED' && !(code in refusals));
  expect(unknown).toEqual([]);
  // Each 503 is counted as unanswered, and by the other rule as no denial.
  const unanswered = Object.keys(refusals).filter((code) => refusals[code as keyof typeof refusals] === 503);
  for (const code of unanswered) expect(named('code'), code).toContain(code);
});

test('every rule is told of in docs/operations.md, and every alarm told of there is a rule', () => {
  const alerts = [...rules.matchAll(/alert: (\w+)/g)].map((match) => match[1]!).sort();
  const told = [...operations.matchAll(/^\| `(Spokecast\w+)`/gm)].map((match) => match[1]!).sort();
  expect(told).toEqual(alerts);
});

test('every metric that the documents name exists', () => {
  const unknown: string[] = [];
  // The integrations name variables of other programs.
  for (const page of ['README.md', ...globSync('docs/**/*.md', { exclude: ['docs/integrations/**'] })]) {
    for (const [name] of readFileSync(page, 'utf8').matchAll(/\bspokecast_[a-z_]+[a-z]\b/g)) {
      const known = series.has(name) || series.has(`${name}_bucket`) || channels.has(name);
      if (!known) unknown.push(`${page}: ${name}`);
    }
  }
  expect(unknown).toEqual([]);
});

/** Names of the same form that are no metrics. */
const channels = new Set(['spokecast_outbox', 'spokecast_regions', 'spokecast_sweeps']);

function ruleBlocks(): string[] {
  return rules.split(/\n {6}- (?=alert:)/).slice(1);
}

function alertOf(rule: string): string {
  return /^alert: (\w+)/.exec(rule)?.[1] ?? '?';
}

function selectorsOf(rule: string): string[] {
  return [...rule.matchAll(/\b(up(?=\{)|spokecast_\w+)/g)]
    .map((match) => match[1]!)
    .filter((name) => series.has(name));
}
