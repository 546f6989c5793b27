import { html } from 'hono/html';
import { listLags } from '../../api/lags/list.ts';
import { duration } from '../parts/words.ts';
import { type Html, needed, type View } from '../screen.ts';

const minutes = 60;

/** How long changes took to each region in the last hour. The script draws it; the list below says the same. */
export async function lagPlot({ api, nowMs }: View): Promise<Html> {
  const { items } = needed(await api.call(listLags, { query: { minutes: String(minutes) } })).body;
  const last = Math.floor(nowMs / 60_000);
  const at = Array.from({ length: minutes }, (_, index) => (last - minutes + 1 + index) * 60);
  const series = [...Map.groupBy(items, ({ region }) => region)].map(([region, lags]) => {
    const byMinute = new Map(lags.map(({ minute, lagMs }) => [Date.parse(minute) / 1000, lagMs]));
    return { region, lags: at.map((second) => byMinute.get(second) ?? null) };
  });
  return html`<section id="lags" aria-labelledby="lags-title" hx-get="/?part=lags" hx-trigger="every 30s" hx-swap="outerHTML"><h2 id="lags-title">Lag in the last hour</h2><p class="hint">From a change’s commit until it was announced in the region; the longest of each minute, in UTC. Heartbeats are among them.</p>${
    series.length === 0
      ? html`<div class="empty"><p><strong>Nothing was measured yet.</strong> A publisher writes a number a minute for every region that is open. Is one running?</p></div>`
      : html`<div class="plot" data-plot="${JSON.stringify({ at, series })}"></div><ul class="inline">${series.map(
          ({ region, lags }) =>
            html`<li><strong>${region}</strong> ${words(lags.filter((lag) => lag !== null))}</li>`,
        )}</ul>`
  }</section>`;
}

function words(lags: readonly number[]): string {
  if (lags.length === 0) return 'nothing arrived';
  const sorted = lags.toSorted((a, b) => a - b);
  return `median ${duration(sorted[Math.floor(sorted.length / 2)]!)}, longest ${duration(sorted.at(-1)!)}`;
}
