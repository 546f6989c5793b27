import { html } from 'hono/html';
import type { z } from 'zod';
import type { Freeze } from '../../api/freeze/freeze.ts';
import type { Freezes } from '../../api/freeze/get.ts';
import { liftFreeze } from '../../api/freeze/lift.ts';
import { setFreeze } from '../../api/freeze/set.ts';
import { freezeRegion } from '../../api/regions/freeze.ts';
import { unfreezeRegion } from '../../api/regions/unfreeze.ts';
import { selectField, textField } from '../parts/fields.ts';
import { type Html, needed, type Screen, type View } from '../screen.ts';

export type FreezeView = z.infer<typeof Freeze>;
export type FreezesView = z.infer<typeof Freezes>;

/** Freezes what is not frozen, and lifts the freeze of what is. */
export function freezeForm(action: string, freeze: FreezeView | undefined): Html {
  if (freeze)
    return html`<div class="notice warn"><p><strong>Frozen</strong> by ${freeze.actor.name}: ${freeze.reason ?? 'no reason was given'}. ${freeze.mode === 'all' ? 'Nothing at all is published.' : 'Only what is deleted or turns to deny is published.'}</p></div><form method="post" action="${action}"><button name="freeze" value="lift">Lift the freeze</button></form>`;
  const choices = [
    { value: 'loosening', name: 'all but deletions and denials' },
    { value: 'all', name: 'everything' },
  ];
  return html`<details class="more"><summary>Freeze publishing …</summary><form method="post" action="${action}" class="form">${selectField({ name: 'mode', label: 'What stops', value: 'loosening', choices })}${textField({ name: 'reason', label: 'Why', value: '', required: true, hint: 'Shown wherever the freeze is.' })}<p class="actions"><button class="danger" name="freeze" value="set">Freeze</button></p></form></details>`;
}

export const regionFreeze: Screen = {
  method: 'POST',
  path: '/regions/{id}/freeze',
  handle: (view) => change(view, freezeRegion, unfreezeRegion, `/regions/${view.params.id}`),
};

export const freezeOfAll: Screen = {
  method: 'POST',
  path: '/regions/freeze',
  handle: (view) => change(view, setFreeze, liftFreeze, '/regions'),
};

async function change(
  { api, form, params }: View,
  freeze: typeof setFreeze | typeof freezeRegion,
  lift: typeof liftFreeze | typeof unfreezeRegion,
  back: string,
) {
  if (form.get('freeze') === 'lift') {
    needed(await api.call(lift, { params }));
    return { redirect: `${back}?done=lifted` };
  }
  const body = { mode: form.get('mode'), reason: form.get('reason') };
  needed(await api.call(freeze, { params, body }));
  return { redirect: `${back}?done=frozen` };
}
