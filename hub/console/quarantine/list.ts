import { html } from 'hono/html';
import { listRegions } from '../../api/regions/list.ts';
import { needed, type Screen } from '../screen.ts';
import { holdTable } from './holds.ts';

export const quarantinePage: Screen = {
  method: 'GET',
  path: '/quarantine',
  async handle(view) {
    const { items } = needed(await view.api.call(listRegions, { query: { limit: '200' } })).body;
    const held = items.filter(
      ({ publishing }) => (publishing?.held ?? 0) + (publishing?.quarantined ?? 0) > 0,
    );
    if (held.length === 0)
      return {
        title: 'Held contexts',
        content: html`<div class="empty"><p><strong>Nothing is held anywhere.</strong></p><p>A context is held, and its last good state stays in the region, where its content must not be published (quarantine), or where more would be lost at once than the budget lets through. Then it is listed here, and a person decides.</p></div>`,
      };
    const sections = [];
    for (const { id } of held)
      sections.push(
        html`<section><h2><a href="/regions/${id}/plan">${id}</a></h2>${await holdTable(view, id)}</section>`,
      );
    return { title: 'Held contexts', content: html`${sections}` };
  },
};
