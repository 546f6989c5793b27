import { html } from 'hono/html';
import { table } from '../parts/table.ts';
import { count, duration, moment, state } from '../parts/words.ts';
import { type Html, may, type View } from '../screen.ts';
import type { Figures, RegionView } from './overview.ts';

/** A line a region: how it is, how far behind, what it holds and who serves it. */
export function regionTable(
  view: View,
  regions: readonly RegionView[],
  figures: ReadonlyMap<string, Figures>,
): Html {
  const empty = html`<p><strong>There is no region yet.</strong> A region is where agents are served: a table that speaks the DynamoDB API, and gateways that read it.</p>${may(view, 'regions.write') ? html`<p><a class="button" href="/regions/new">Add the first region</a></p>` : ''}`;
  if (!may(view, 'gateways.read')) {
    const rows = regions.map(({ id, status }) => [id, state(status)]);
    return table({ caption: 'Regions', head: ['Region', 'Status'], rows, empty });
  }
  return table({
    caption: 'Regions, and how they are',
    head: ['Region', 'Health', 'Lag', 'Contexts', 'Last sweep', 'Gateways', 'Watermark'],
    rows: regions.map((region) => {
      const line = figures.get(region.id);
      return [
        html`<a href="/regions/${region.id}"><strong>${region.id}</strong></a>${region.status === 'active' ? '' : state(region.status)}`,
        health(region),
        line?.lag
          ? html`${duration(line.lag.lagMs)} <span class="hint">${moment(line.lag.minute, view.nowMs)}</span>`
          : '–',
        line?.contexts == null ? '–' : count(line.contexts),
        line?.sweep
          ? html`${line.sweep.drift === 0 ? state('no drift', 'good') : state(`${line.sweep.drift} mended`, 'warn')} <span class="hint">${moment(line.sweep.finishedAt, view.nowMs)}</span>`
          : html`<span class="hint">none yet</span>`,
        gateways(line),
        watermark(line),
      ];
    }),
    empty,
  });
}

export function health({ publishing }: RegionView): Html | string {
  if (!publishing) return '–';
  const { state: name, reason, held, quarantined, freeze } = publishing;
  return html`${state(name)}${freeze ? state('frozen') : ''}${held > 0 ? state(`${held} held`, 'bad') : ''}${quarantined > 0 ? state(`${quarantined} quarantined`, 'warn') : ''}${reason === null ? '' : html`<span class="why">${reason}</span>`}`;
}

function gateways(line: Figures | undefined): Html | string {
  if (!line) return '–';
  const { live, unknown, degraded, builds } = line.gateways;
  if (live + unknown === 0) return state('none', 'warn');
  return html`${state(`${live} live`, live > 0 ? 'good' : 'bad')}${unknown > 0 ? state(`${unknown} silent`, 'warn') : ''}${degraded > 0 ? state(`${degraded} degraded`, 'warn') : ''}<span class="hint">${builds.join(', ')}</span>`;
}

function watermark(line: Figures | undefined): string {
  const { watermarkLeast: least = null, watermarkMost: most = null } = line?.gateways ?? {};
  if (least === null || most === null) return '–';
  return least === most ? count(most) : `${count(least)} – ${count(most)}`;
}
