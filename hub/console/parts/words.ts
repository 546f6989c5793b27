import { html } from 'hono/html';
import type { Html } from '../screen.ts';

type Tone = 'good' | 'warn' | 'bad' | 'calm';

const tones: Readonly<Record<string, Tone>> = {
  ...{ active: 'good', open: 'good', live: 'good', completed: 'good', seen: 'good', finished: 'good' },
  ...{
    seeding: 'calm',
    opening: 'calm',
    requested: 'calm',
    queued: 'calm',
    running: 'calm',
    pending: 'calm',
  },
  ...{ stored: 'calm', draining: 'warn', behind: 'warn', unknown: 'warn', suspended: 'warn', held: 'warn' },
  ...{ disabled: 'warn', frozen: 'warn', invalid: 'warn', refused: 'bad', ahead: 'bad', failed: 'bad' },
};

/** A state as a word with a colour; the word alone says it. */
export function state(name: string, tone: Tone = tones[name] ?? 'calm'): Html {
  return html`<span class="state ${tone}">${name}</span>`;
}

/** A moment: how long ago, and exactly for who points at it. */
export function moment(iso: string | null | undefined, nowMs: number): Html | string {
  if (!iso) return '–';
  const ms = Date.parse(iso) - nowMs;
  const text = ms > 0 ? `in ${duration(ms)}` : `${duration(-ms)} ago`;
  return html`<time datetime="${iso}" title="${iso}">${text}</time>`;
}

/** A length of time in its largest whole unit. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

export function count(number: number): string {
  return number.toLocaleString('en').replaceAll(',', '\u202f');
}

/** So many things of a name whose plural takes an s. */
export function counted(number: number, name: string): string {
  return `${number === 0 ? 'no' : count(number)} ${name}${number === 1 ? '' : 's'}`;
}

/** An id that can be read aloud and copied. */
export function id(text: string): Html {
  return html`<code class="id">${text}</code>`;
}
