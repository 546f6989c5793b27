import { html } from 'hono/html';
import type { z } from 'zod';
import type { RegionFiguresList } from '../../api/region-figures/list.ts';
import { listRegionFigures } from '../../api/region-figures/list.ts';
import { listRegions } from '../../api/regions/list.ts';
import type { Region } from '../../api/regions/region.ts';
import { type Html, may, needed, type Screen, type View } from '../screen.ts';
import { regionBanners } from './banners.ts';
import { lagPlot } from './lag-plot.ts';
import { regionTable } from './region-table.ts';

export type RegionView = z.infer<typeof Region>;
export type Figures = z.infer<typeof RegionFiguresList>['items'][number];

/** As many as the API gives in one page; beyond it the list of regions is the place to look. */
const regionsMax = '200';

export const overviewPage: Screen = {
  method: 'GET',
  path: '/',
  async handle(view) {
    if (view.part === 'lags') return { part: await lagPlot(view) };
    const regions = await live(view);
    if (view.part === 'regions') return { part: regions };
    return {
      title: 'Overview',
      content: html`${regions}${may(view, 'gateways.read') ? await lagPlot(view) : ''}`,
    };
  },
};

/** What changes by itself: looked at again every two seconds. */
async function live(view: View): Promise<Html> {
  const list = await view.api.call(listRegions, { query: { limit: regionsMax } });
  const regions = needed(list).body.items;
  const figures = new Map<string, Figures>();
  if (may(view, 'gateways.read')) {
    const { body } = needed(await view.api.call(listRegionFigures));
    for (const line of body.items) figures.set(line.region, line);
  }
  return html`<div id="regions-live" hx-get="/?part=regions" hx-trigger="every 2s" hx-swap="outerMorph">${regionBanners(regions)}<section aria-labelledby="regions-title"><h2 id="regions-title">Regions</h2>${regionTable(view, regions, figures)}</section></div>`;
}
