import { html } from 'hono/html';
import type { Html } from '../screen.ts';
import type { RegionView } from './overview.ts';

/** What a person is asked to look at, before anything else: freezes, held losses, regions that are not told. */
export function regionBanners(regions: readonly RegionView[]): Html {
  const everywhere = regions.find(({ publishing }) => publishing?.freeze?.region === null)?.publishing
    ?.freeze;
  const frozen = regions.filter(({ id, publishing }) => publishing?.freeze?.region === id);
  const held = regions.filter(({ publishing }) => (publishing?.held ?? 0) > 0);
  const why = (freeze: { mode: string; reason: string | null; actor: { name: string } }) =>
    `${freeze.mode === 'all' ? 'Nothing at all is published' : 'Only what is deleted or turns to deny is published'}: ${freeze.reason ?? 'no reason was given'} (${freeze.actor.name})`;
  return html`${
    everywhere
      ? html`<div class="notice warn" role="status"><p><strong>All regions are frozen.</strong> ${why(everywhere)}. <a href="/regions">Regions</a></p></div>`
      : ''
  }${frozen.map(
    ({ id, publishing }) =>
      html`<div class="notice warn" role="status"><p><strong><a href="/regions/${id}">${id}</a> is frozen.</strong> ${why(publishing!.freeze!)}</p></div>`,
  )}${held.map(
    ({ id, publishing }) =>
      html`<div class="notice bad" role="status"><p><strong>${publishing!.held} losses are held in ${id}.</strong> They are more than the budget lets through at once; the last good state stays in place. <a href="/regions/${id}/plan">Look at them and decide</a></p></div>`,
  )}`;
}
