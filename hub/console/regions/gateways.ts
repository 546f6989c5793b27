import { html } from 'hono/html';
import { listRegionGateways } from '../../api/regions/gateways.ts';
import { table } from '../parts/table.ts';
import { count, duration, moment, state } from '../parts/words.ts';
import { type Html, needed, type View } from '../screen.ts';

export async function gatewayTable({ api, nowMs }: View, region: string): Promise<Html> {
  const { items } = needed(
    await api.call(listRegionGateways, { params: { id: region }, query: { limit: '200' } }),
  ).body;
  return table({
    caption: 'Gateways of the region',
    head: ['Gateway', 'State', 'Version', 'Watermark', 'Contexts in memory', 'Reported', 'Started'],
    rows: items.map((one) => [
      html`<code>${one.id}</code>`,
      html`${state(one.state === 'live' ? 'live' : 'silent', one.state === 'live' ? 'good' : 'warn')}${one.degraded ? state('degraded', 'warn') : ''}`,
      one.build,
      one.watermark === 0 && one.cachedContexts > 0 ? state('verifying', 'warn') : count(one.watermark),
      count(one.cachedContexts),
      `${duration(one.reportedAgoMs)} ago`,
      moment(one.startedAt, nowMs),
    ]),
    empty: html`<p><strong>No gateway reports here.</strong> Gateways write into their region’s table that they live; start one with <code>spokecast gateway</code>, with the region and its table in its environment.</p>`,
  });
}
