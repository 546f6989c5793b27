import { html } from 'hono/html';
import { createAgentKey } from '../../api/agent-keys/create.ts';
import { hidden, textField } from '../parts/fields.ts';
import { Mistakes } from '../parts/mistakes.ts';
import type { Screen, View } from '../screen.ts';
import { secretOf } from './secret.ts';

const fields = [
  'clusterId',
  'name',
  'expiresAt',
  'permissions',
  'networks',
  'limit',
  'windowSeconds',
] as const;

export const keyForm: Screen = {
  method: 'GET',
  path: '/agent-keys/new',
  handle: async (view) => shown(view, { clusterId: view.url.searchParams.get('clusterId') ?? '' }, undefined),
};

/** The answer is the page with the secret itself: an address to go on to would have to carry it. */
export const keyCreation: Screen = {
  method: 'POST',
  path: '/agent-keys/new',
  async handle(view) {
    const { api, form } = view;
    const typed = Object.fromEntries(fields.map((name) => [name, form.get(name).trim()]));
    const words = (name: string) => (typed[name] ?? '').split(/[\s,]+/).filter(Boolean);
    const networks = words('networks');
    const rated = typed.limit !== '' || typed.windowSeconds !== '';
    const made = await api.call(createAgentKey, {
      body: {
        clusterId: typed.clusterId,
        name: typed.name,
        permissions: words('permissions'),
        ...(typed.expiresAt ? { expiresAt: asTime(typed.expiresAt) } : {}),
        ...(networks.length > 0 ? { allowedNetworks: networks } : {}),
        ...(rated
          ? { rateLimit: { limit: Number(typed.limit), windowMs: Number(typed.windowSeconds) * 1000 } }
          : {}),
      },
      idempotencyKey: form.given('idempotencyKey'),
    });
    if (made.outcome === 'refused') return shown(view, typed, new Mistakes(made.problem, fieldOf));
    return { title: `Agent key ${made.body.name}`, content: secretOf(made, 'created') };
  },
};

/** A time without a zone is UTC. */
function asTime(text: string): string {
  return /(Z|[+-]\d\d:\d\d)$/i.test(text) ? text : `${text.length === 16 ? `${text}:00` : text}Z`;
}

function fieldOf(pointer: string): string | undefined {
  if (pointer.startsWith('/rateLimit')) return pointer.endsWith('windowMs') ? 'windowSeconds' : 'limit';
  const name = /^\/(\w+)/.exec(pointer)?.[1];
  return name === 'allowedNetworks' ? 'networks' : name;
}

function shown(view: View, typed: Record<string, string>, mistakes: Mistakes | undefined) {
  const at = (name: (typeof fields)[number]) => ({ name, value: typed[name] ?? '', mistakes });
  const isBound = ['expiresAt', 'permissions', 'networks', 'limit', 'windowSeconds'].some(
    (name) => typed[name] || mistakes?.of(name),
  );
  return {
    title: 'New agent key',
    status: mistakes?.problem.status ?? 200,
    content: html`${mistakes?.notice() ?? ''}<form method="post" action="/agent-keys/new" class="form">${hidden('idempotencyKey', view.newIdempotencyKey())}${textField({ ...at('clusterId'), label: 'Cluster', required: true, code: true, hint: html`Its id, as the <a href="/clusters">cluster’s page</a> shows it.` })}${textField({ ...at('name'), label: 'Name', required: true, hint: 'For people: which agent has it.' })}<details class="more"${isBound ? html` open` : ''}><summary>Bounds</summary>${textField({ ...at('expiresAt'), label: 'Expires, in UTC', type: 'datetime-local', hint: 'Empty for never.' })}${textField({ ...at('permissions'), label: 'Permissions', hint: 'In the words of the metadata store, with spaces between them.' })}${textField({ ...at('networks'), label: 'Allowed networks', rows: 3, code: true, hint: 'One a line, such as 10.0.0.0/8; empty for anywhere.' })}${textField({ ...at('limit'), label: 'Requests granted in a window', type: 'number', hint: 'By each gateway; empty for any number.' })}${textField({ ...at('windowSeconds'), label: 'Seconds of the window', type: 'number' })}</details><p class="actions"><button class="primary">Create agent key</button> <a href="/agent-keys">Cancel</a></p></form>`,
  };
}
