import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { dashboards } from '../../infra/monitoring/dashboards.ts';
import { describeWith } from '../support/requirements.ts';
import { labelsNamed, seriesNamed, seriesOf } from './series.ts';

const series = seriesOf();

describe('dashboards', () => {
  const queries = Object.entries(dashboards).flatMap(([file, { rows }]) =>
    rows.flatMap(({ panels }) =>
      panels.flatMap(({ title, queries }) => queries.map((query) => ({ at: `${file}: ${title}`, ...query }))),
    ),
  );

  test('name metrics that exist, with labels that these have', () => {
    expect(queries.length).toBeGreaterThan(50);
    const wrong = queries.flatMap(({ at, expr, legend }) => {
      const named = seriesNamed(expr);
      const unknown = named.filter(({ name }) => !series.has(name)).map(({ name }) => `${at}: ${name}`);
      const has = (label: string) => named.some(({ name }) => series.get(name)?.has(label));
      const labels = [
        ...labelsNamed(expr),
        ...[...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!),
      ];
      const lost = labels.filter((label) => !has(label)).map((label) => `${at}: label ${label}`);
      return [...unknown, ...lost];
    });
    expect(wrong).toEqual([]);
  });

  test('put into a legend only what the query leaves of the labels', () => {
    const wrong = queries.flatMap(({ at, expr, legend }) => {
      const by = /^[\w(, .]*? by \(([^)]*)\)/
        .exec(expr)?.[1]
        ?.split(',')
        .map((label) => label.trim());
      const shown = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!);
      return by ? shown.filter((label) => !by.includes(label)).map((label) => `${at}: ${label}`) : [];
    });
    expect(wrong).toEqual([]);
  });

  test('show every metric of a gateway and a publisher but those that only an alarm looks at', () => {
    const shown = new Set(queries.flatMap(({ expr }) => seriesNamed(expr).map(({ name }) => name)));
    const alarmsOnly = new Set([
      ...['spokecast_answering_from_snapshot', 'spokecast_snapshot_incomplete', 'spokecast_held_ahead_total'],
      ...['spokecast_schedules_restored_total', 'spokecast_scheduler_age_seconds'],
      ...['spokecast_region_probe_age_seconds', 'spokecast_clock_ahead_seconds'],
    ]);
    // Told in detail where they belong to one of those shown.
    const details =
      /^spokecast_(snapshot_|hub_|dangling|feed_steps|rehearsals|tls_certificate_changes|access_log|refresh_jobs)/;
    const hidden = [...series.keys()].filter(
      (name) =>
        name.startsWith('spokecast_') &&
        !/_(sum|count)$/.test(name) &&
        !shown.has(name) &&
        !alarmsOnly.has(name) &&
        !details.test(name),
    );
    expect(hidden).toEqual([]);
  });
});

describeWith('promtool', 'the alert rules', () => {
  const promtool = async (...args: string[]) => {
    const { stdout, stderr } = await promisify(execFile)('promtool', args).catch(
      (error: { stdout: string; stderr: string }) => ({
        stdout: `FAILED ${error.stdout}`,
        stderr: error.stderr,
      }),
    );
    return stdout + stderr;
  };

  test('are what Prometheus takes', async () => {
    expect(await promtool('check', 'rules', 'infra/monitoring/alerts.yml')).toMatch(
      /SUCCESS: \d+ rules found/,
    );
  });

  test('fire when they should, and not when they should not', async () => {
    const told = await promtool('test', 'rules', 'infra/monitoring/alerts.test.yml');
    expect(told).toContain('SUCCESS');
    expect(told).not.toContain('FAILED');
  });
});
