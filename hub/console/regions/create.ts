import { html } from 'hono/html';
import { createRegion } from '../../api/regions/create.ts';
import { hidden, textField } from '../parts/fields.ts';
import { Mistakes } from '../parts/mistakes.ts';
import type { Screen, View } from '../screen.ts';

const fields = ['id', 'endpoint', 'awsRegion', 'table'] as const;

export const regionForm: Screen = {
  method: 'GET',
  path: '/regions/new',
  handle: async (view) => shown(view, {}, undefined),
};

export const regionCreation: Screen = {
  method: 'POST',
  path: '/regions/new',
  async handle(view) {
    const typed = Object.fromEntries(fields.map((name) => [name, view.form.get(name).trim()]));
    const { id, endpoint, awsRegion, table } = typed;
    const store = { ...(endpoint ? { endpoint } : {}), ...(awsRegion ? { awsRegion } : {}), table };
    const made = await view.api.call(createRegion, {
      body: { id, store },
      idempotencyKey: view.form.given('idempotencyKey'),
    });
    if (made.outcome === 'refused') {
      const fieldOf = (pointer: string) => pointer.split('/').at(-1) || undefined;
      return shown(view, typed, new Mistakes(made.problem, fieldOf));
    }
    return { redirect: `/regions/${made.body.id}?done=created` };
  },
};

function shown(view: View, typed: Record<string, string>, mistakes: Mistakes | undefined) {
  const at = (name: (typeof fields)[number]) => ({ name, value: typed[name] ?? '', mistakes, code: true });
  return {
    title: 'Add a region',
    status: mistakes?.problem.status ?? 200,
    content: html`${mistakes?.notice() ?? ''}<p>A publisher sets the table up, fills it, and makes the region active once it has verified that it holds everything.</p><form method="post" action="/regions/new" class="form">${hidden('idempotencyKey', view.newIdempotencyKey())}${textField({ ...at('id'), label: 'Region', required: true, placeholder: 'eu-west-1' })}${textField({ ...at('table'), label: 'Table', required: true, hint: 'Of its own; a publisher makes it where it may.', placeholder: 'spokecast-prod-eu-west-1' })}${textField({ ...at('awsRegion'), label: 'AWS region', hint: 'Where the table is in AWS.' })}${textField({ ...at('endpoint'), label: 'Endpoint of the DynamoDB API', type: 'url', hint: 'Where it is not the one of AWS, such as ScyllaDB Alternator.' })}<p class="actions"><button class="primary">Add region</button> <a href="/regions">Cancel</a></p></form>`,
  };
}
