import type { z } from 'zod';
import type { AnsweringRoute } from '../../http/route.ts';
import { needed, type Screen } from '../screen.ts';
import { afterChange } from './done.ts';

/** The button that turns a thing on or off, by its status. `path` is the thing's own, such as `/clusters/{id}`. */
export function statusScreen(
  path: string,
  change: AnsweringRoute<z.ZodType>,
  { followed }: { followed: boolean } = { followed: true },
): Screen {
  return {
    method: 'POST',
    path: `${path}/status`,
    async handle({ api, form, params }) {
      const body = { status: form.get('status') };
      const changed = needed(await api.call(change, { params, body, ifMatch: form.given('ifMatch') }));
      const page = path.replace('{id}', encodeURIComponent(params.id!));
      return afterChange(page, 'changed', followed ? changed.fence : undefined);
    },
  };
}
