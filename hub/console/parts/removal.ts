import type { z } from 'zod';
import type { Form } from '../../http/form.ts';
import type { AnsweringRoute } from '../../http/route.ts';
import { type Content, needed, type Screen, type View } from '../screen.ts';
import { confirmation, notConfirmed } from './confirm.ts';
import { afterChange } from './done.ts';
import { Mistakes } from './mistakes.ts';

/** The parts in which the pages differ that remove what has a name, once it is typed. */
export interface Removing<Schema extends z.ZodType> {
  /** Of the thing, such as `/clusters/{id}`: both pages are at `verb` below it. */
  path: string;
  verb: 'delete' | 'revoke' | 'remove';
  submit: string;
  read: AnsweringRoute<Schema>;
  remove: AnsweringRoute<z.ZodType>;
  /** What has to be typed; if absent its name, or the id of what has none. */
  typed?(thing: z.output<Schema>): string;
  consequences(thing: z.output<Schema>): Content;
  /** More to choose, and what it comes to in the address of the call. */
  more?: { content: Content; query(form: Form): Record<string, string> };
  /** Where to go when it is gone. */
  afterwards(thing: z.output<Schema>): string;
  told: 'deleted' | 'revoked';
  /** Whether its way to the regions is shown: where no context is built of it there is none. */
  followed: boolean;
}

/** The form that asks for the name, and the removal. */
export function removalScreens<Schema extends z.ZodType<{ id: string; name?: string }>>(
  parts: Removing<Schema>,
): [form: Screen, removal: Screen] {
  const { path, verb, submit, read, remove, consequences, more, afterwards, told, followed } = parts;
  const nameOf = ({ id, name }: { id: string; name?: string }) => name ?? id;
  const typed = parts.typed ?? nameOf;
  const title = `${verb[0]!.toUpperCase()}${verb.slice(1)}`;
  const action = `${path}/${verb}`;
  const shown = async ({ api, params }: View, mistakes: Mistakes | undefined) => {
    const { body, etag } = needed(await api.call(read, { params }));
    const page = path.replace('{id}', body.id);
    return {
      title: `${title} ${nameOf(body)}`,
      status: mistakes?.problem.status ?? 200,
      content: confirmation({
        ...{ etag, mistakes, name: typed(body) },
        ...{ action: `${page}/${verb}`, consequences: consequences(body) },
        ...(more ? { more: more.content } : {}),
        ...{ submit, cancel: page },
      }),
    };
  };
  const form: Screen = { method: 'GET', path: action, handle: (view) => shown(view, undefined) };
  const removal: Screen = {
    method: 'POST',
    path: action,
    async handle(view) {
      const { api, params, form: sent } = view;
      const { body } = needed(await api.call(read, { params }));
      const mistakes = notConfirmed(view, typed(body));
      if (mistakes) return shown(view, mistakes);
      const query = more?.query(sent) ?? {};
      const gone = await api.call(remove, { params, query, ifMatch: sent.given('ifMatch') });
      if (gone.outcome === 'refused') return shown(view, new Mistakes(gone.problem));
      return afterChange(afterwards(body), told, followed ? gone.fence : undefined);
    },
  };
  return [form, removal];
}
