import { html } from 'hono/html';
import { listRegions } from '../../api/regions/list.ts';
import type { RegionView } from '../overview/overview.ts';
import { textField } from '../parts/fields.ts';
import type { Typed } from '../parts/merge.ts';
import type { Mistakes } from '../parts/mistakes.ts';
import { state } from '../parts/words.ts';
import { type Html, needed, type View } from '../screen.ts';

/** Every region that a cluster may be placed in; the API takes no more placements than these. */
export async function regionsOf({ api }: View): Promise<RegionView[]> {
  return needed(await api.call(listRegions, { query: { limit: '200' } })).body.items;
}

export interface ClusterForm {
  action: string;
  typed: Typed;
  regions: readonly RegionView[];
  mistakes: Mistakes | undefined;
  submit: string;
  /** Beside what the person types. */
  carried: Html;
  /** Of a new cluster only. */
  tenant?: Html | string;
  cancel: string;
}

export function clusterFormOf(parts: ClusterForm): Html {
  const { action, typed, regions, mistakes, submit, carried, tenant, cancel } = parts;
  const at = (name: string) => typed[name] ?? '';
  return html`${mistakes?.notice() ?? ''}<form method="post" action="${action}" class="form">${carried}${tenant ?? ''}${textField({ name: 'name', label: 'Name', value: at('name'), required: true, mistakes, hint: 'Unique within the tenant.' })}${textField({ name: 'upstreamUrl', label: 'Upstream URL', value: at('upstreamUrl'), type: 'url', required: true, code: true, mistakes, hint: 'Where gateways forward the cluster’s requests to.' })}
<fieldset id="placements"${mistakes?.of('placements') ? html` class="wrong" aria-describedby="placements-mistake"` : ''}><legend>Regions</legend>${mistakes?.of('placements') ? html`<p class="mistake" id="placements-mistake">${mistakes.of('placements')}</p>` : ''}${
    regions.length === 0
      ? html`<p class="hint">There is no region yet; a cluster needs one. <a href="/regions/new">Add a region</a></p>`
      : html`<p class="hint">The cluster and its keys are served in the regions you tick, and nowhere else.</p><ul class="placements">${regions.map((region) => placement(region, typed, mistakes))}</ul>`
  }</fieldset>
<details class="more"${at('upstreams') || at('settings') || mistakes?.of('upstreams') || mistakes?.of('settings') ? html` open` : ''}><summary>Several upstreams, settings</summary>${textField({ name: 'upstreams', label: 'Several upstreams', value: at('upstreams'), rows: 4, code: true, mistakes, hint: html`Instead of the upstream URL, as JSON: <code>[{"url": "https://a.example", "priority": 0, "weight": 1}]</code>` })}${textField({ name: 'settings', label: 'Settings', value: at('settings'), rows: 4, code: true, mistakes, hint: html`A JSON object that gateways hand to the metadata store, such as <code>{"tier": "gold"}</code>` })}</details>
<p class="actions"><button class="primary">${submit}</button> <a href="${cancel}">Cancel</a></p></form>`;
}

function placement({ id, status }: RegionView, typed: Typed, mistakes: Mistakes | undefined): Html {
  const placed = (typed[`region.${id}`] ?? '') !== '';
  const own = ['upstreamUrl', 'upstreams', 'settings'].map((field) => `${field}.${id}`);
  const isOpen = own.some((name) => (typed[name] ?? '') !== '' || mistakes?.of(name));
  const mistake = mistakes?.of(`region.${id}`);
  return html`<li><label class="tick"><input type="checkbox" id="region.${id}" name="region.${id}" value="on"${placed ? html` checked` : ''}${mistake ? html` aria-invalid="true" aria-describedby="region.${id}-mistake"` : ''}> <strong>${id}</strong>${status === 'active' ? '' : state(status)}</label>${mistake ? html`<p class="mistake" id="region.${id}-mistake">${mistake}</p>` : ''}<details class="more"${isOpen ? html` open` : ''}><summary>Other values in ${id}</summary>${textField({ name: `upstreamUrl.${id}`, label: `Upstream URL in ${id}`, value: typed[`upstreamUrl.${id}`] ?? '', type: 'url', code: true, mistakes })}${textField({ name: `upstreams.${id}`, label: `Several upstreams in ${id}, as JSON`, value: typed[`upstreams.${id}`] ?? '', rows: 3, code: true, mistakes })}${textField({ name: `settings.${id}`, label: `Settings in ${id}, as JSON`, value: typed[`settings.${id}`] ?? '', rows: 3, code: true, mistakes })}</details></li>`;
}
