import { html } from 'hono/html';
import { getRegion } from '../../api/regions/get.ts';
import { approveSweep } from '../../api/sweeps/approve.ts';
import { listSweeps } from '../../api/sweeps/list.ts';
import { done } from '../parts/done.ts';
import { hidden } from '../parts/fields.ts';
import { holdTable } from '../quarantine/holds.ts';
import { type Html, may, needed, type Screen, ScreenProblem, type View } from '../screen.ts';
import type { SweepView } from './work.ts';

/** What is held in a region, and the decision that waits for a person. */
export const planPage: Screen = {
  method: 'GET',
  path: '/regions/{id}/plan',
  async handle(view) {
    const { body: region } = needed(await view.api.call(getRegion, { params: { id: view.params.id } }));
    const { held = 0, quarantined = 0 } = region.publishing ?? {};
    return {
      title: `Held in ${region.id}`,
      content: html`${done(view)}${held > 0 ? await decision(view, region.id, held) : ''}${await holdTable(view, region.id)}${quarantined > 0 ? html`<p>What is invalid is let through by nobody: mend its content, and it is published.</p>` : ''}<p><a href="/regions/${region.id}">Back to ${region.id}</a></p>`,
    };
  },
};

async function decision(view: View, region: string, held: number): Promise<Html> {
  const sweep = await lastPlan(view, region);
  const sweepAgain = html`<form method="post" action="/regions/${region}/sweep">${hidden('idempotencyKey', view.newIdempotencyKey())}<button>Sweep now</button></form>`;
  if (!sweep)
    return html`<div class="notice warn"><p><strong>${held} losses are held.</strong> The next sweep makes a plan of them, which can be approved.</p></div>${may(view, 'sweeps.write') ? sweepAgain : ''}`;
  return html`<div class="notice bad"><p><strong>${held} losses are held:</strong> more than the budget lets through at once. Agents whose keys are among them still get in here. Was this meant?</p></div>${
    may(view, 'sweeps.approve')
      ? html`<div class="bar"><form method="post" action="/regions/${region}/plan">${hidden('idempotencyKey', view.newIdempotencyKey())}${hidden('sweep', sweep.id)}<button class="danger">It was meant: let exactly these through</button></form>${sweepAgain}</div><p class="hint">If it was not, bring the rows back, and the holds go away by themselves.</p>`
      : ''
  }`;
}

async function lastPlan({ api }: View, region: string): Promise<SweepView | undefined> {
  const query = { region, status: 'completed', limit: '1' };
  const [sweep] = needed(await api.call(listSweeps, { query })).body.items;
  return sweep && sweep.plan !== null ? sweep : undefined;
}

export const planApproval: Screen = {
  method: 'POST',
  path: '/regions/{id}/plan',
  async handle({ api, form, params }) {
    const approved = await api.call(approveSweep, {
      params: { id: form.get('sweep') },
      idempotencyKey: form.given('idempotencyKey'),
    });
    if (approved.outcome === 'refused') throw new ScreenProblem(approved.problem);
    return { redirect: `/regions/${params.id}?done=approved` };
  },
};
