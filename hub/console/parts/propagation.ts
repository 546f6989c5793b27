import { html } from 'hono/html';
import type { z } from 'zod';
import type { Fence } from '../../api/fences/fence.ts';
import type { Html } from '../screen.ts';
import { duration, state } from './words.ts';

export type FenceView = z.infer<typeof Fence>;

/** Looks after which a change that does not arrive is looked at less often, and not any more by itself. */
const looksOften = 25;
const looksMax = 200;

/** The place where a change's way is shown, before the first look at it. */
export function waitingForFence(id: string): Html {
  return html`<section class="propagation" aria-label="Propagation" aria-live="polite">${look(id, 1, html`<p>Asking how far it has come …</p>`)}</section>`;
}

/** How far a change has come; looks again by itself until it is everywhere. */
export function propagation(fence: FenceView, looks: number): Html {
  const shown = html`${summary(fence)}${waterfall([fence])}`;
  if (fence.complete) return html`<div class="arrived">${shown}</div>`;
  if (looks >= looksMax)
    return html`<div>${shown}<p><a href="/activity/${fence.id}">Look again</a></p></div>`;
  return look(fence.id, looks, shown);
}

function look(id: string, looks: number, shown: Html): Html {
  const delay = looks < looksOften ? '150ms' : '3s';
  return html`<div hx-get="/activity/${id}?part=propagation&amp;looks=${looks + 1}" hx-trigger="load delay:${delay}" hx-swap="outerHTML">${shown}</div>`;
}

function summary({ complete, regions, committedAt }: FenceView): Html {
  if (regions.length === 0) return html`<p><strong>No region is concerned.</strong></p>`;
  if (!complete) {
    const seen = regions.filter(({ state }) => state === 'seen').length;
    return html`<p><strong>Seen in ${seen} of ${regions.length} regions.</strong></p>`;
  }
  const last = Math.max(...regions.map(({ seenAt }) => (seenAt ? Date.parse(seenAt) : 0)));
  const took = last > 0 ? ` after ${duration(last - Date.parse(committedAt))}` : '';
  return html`<p><strong>Everywhere${took}.</strong> Every gateway of every region concerned goes by it.</p>`;
}

const steps = ['relayed', 'stored', 'announced', 'seen'] as const;

/** A line a region: when the change, committed at zero, was relayed, stored, announced, and seen by every gateway. */
export function waterfall(fences: readonly FenceView[]): Html {
  return html`${fences.map(({ committedAt, relayedAt, regions }) => {
    const zero = Date.parse(committedAt);
    const after = (at: string | null) => (at === null ? null : Math.max(0, Date.parse(at) - zero));
    return html`<ol class="waterfall">${regions.map((region) => {
      const times = [relayedAt, region.storedAt, region.announcedAt, region.seenAt].map(after);
      return html`<li><span class="region">${region.region}</span>${state(region.state)}<span class="steps"><span class="step done">committed</span>${steps.map(
        (name, index) => step(name, times[index] ?? null),
      )}</span>${region.reason ? html`<span class="why">${region.reason}</span>` : ''}</li>`;
    })}</ol>`;
  })}`;
}

function step(name: string, ms: number | null): Html {
  return ms === null
    ? html`<span class="step">${name}</span>`
    : html`<span class="step done">${name} <b>+${duration(ms)}</b></span>`;
}
