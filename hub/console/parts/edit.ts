import { html } from 'hono/html';
import type { z } from 'zod';
import type { Form } from '../../http/form.ts';
import type { AnsweringRoute } from '../../http/route.ts';
import { lastChangeBy } from '../audit-log/last-change.ts';
import { type Html, needed, type Screen, type View } from '../screen.ts';
import { afterChange } from './done.ts';
import { hidden } from './fields.ts';
import { merge, mergeNotice, readTyped, type Typed } from './merge.ts';
import { Mistakes, typedWrong } from './mistakes.ts';

/** What to send, and what of it cannot even be sent, by the form's field. */
export interface Wanted {
  body: object;
  errors?: readonly { pointer: string; detail: string }[];
}

/** The parts in which the edit forms differ. `Context` is what else a form has to know, such as the regions. */
export interface Editing<Schema extends z.ZodType, Context> {
  /** Of the thing, such as `/clusters/{id}`: the form is at `edit` below it. */
  path: string;
  /** As people call it. */
  thing: string;
  /** As the audit log calls it. */
  resourceType: string;
  read: AnsweringRoute<Schema>;
  change: AnsweringRoute<z.ZodType>;
  context(view: View): Promise<Context>;
  nameOf(thing: z.output<Schema>): string;
  typedFrom(thing: z.output<Schema>, context: Context): Typed;
  /** The fields as they were sent. */
  typedIn(form: Form, context: Context): Typed;
  /** `given` is the form as it was given out: what was not touched need not be sent. */
  toBody(typed: Typed, given: Typed, context: Context, view: View): Wanted | Promise<Wanted>;
  /** The form's field that a pointer into the body is about. */
  fieldOf(body: object): (pointer: string) => string | undefined;
  labelOf(field: string): string;
  form(parts: EditForm<z.output<Schema>, Context>): Html | Promise<Html>;
}

export interface EditForm<Thing, Context> {
  view: View;
  thing: Thing;
  context: Context;
  action: string;
  cancel: string;
  typed: Typed;
  mistakes: Mistakes | undefined;
  /** Beside what the person types. */
  carried: Html;
}

/** A form at which two people may be at once. */
interface Shown {
  typed: Typed;
  /** The thing as the form was made of it. */
  given: Typed;
  etag: string | undefined;
  mistakes?: Mistakes;
  /** Somebody else was first. */
  notice?: Html;
}

/**
 * The page with the form, and what it is sent to. The form carries the state that it was made of: whoever is second is
 * told what the first has changed, field by field, and finds what they typed beside it.
 */
export function editScreens<Schema extends z.ZodType<{ id: string }>, Context>(
  editing: Editing<Schema, Context>,
): [page: Screen, change: Screen] {
  const { read, change, thing } = editing;
  const path = `${editing.path}/edit`;
  const pathOf = (view: View) => editing.path.replace('{id}', encodeURIComponent(view.params.id ?? ''));

  const show = async (view: View, current: z.output<Schema>, context: Context, shown: Shown) => {
    const { typed, given, etag, mistakes, notice } = shown;
    const form = await editing.form({
      ...{ view, thing: current, context, typed, mistakes },
      action: `${pathOf(view)}/edit`,
      cancel: pathOf(view),
      carried: html`${hidden('ifMatch', etag)}${hidden('given', JSON.stringify(given))}`,
    });
    const status = notice ? 412 : (mistakes?.problem.status ?? 200);
    return { title: `Change ${editing.nameOf(current)}`, content: html`${notice ?? ''}${form}`, status };
  };

  const page: Screen = {
    method: 'GET',
    path,
    async handle(view) {
      const { body, etag } = needed(await view.api.call(read, { params: view.params }));
      const context = await editing.context(view);
      const typed = editing.typedFrom(body, context);
      return show(view, body, context, { typed, given: typed, etag });
    },
  };

  const sent: Screen = {
    method: 'POST',
    path,
    async handle(view) {
      const { api, form, params } = view;
      const context = await editing.context(view);
      const typed = editing.typedIn(form, context);
      const given = readTyped(form.get('given'));
      const etag = form.given('ifMatch');
      const again = async (mistakes: Mistakes) =>
        show(view, needed(await api.call(read, { params })).body, context, { typed, given, etag, mistakes });

      const { body, errors = [] } = await editing.toBody(typed, given, context, view);
      if (errors.length > 0) return again(new Mistakes(typedWrong(errors)));
      if (Object.keys(body).length === 0) return afterChange(pathOf(view), 'unchanged', undefined);
      const changed = await api.call(change, { params, body, ifMatch: etag });
      if (changed.outcome === 'done') return afterChange(pathOf(view), 'changed', changed.fence);
      if (changed.problem.code !== 'PRECONDITION_FAILED')
        return again(new Mistakes(changed.problem, editing.fieldOf(body)));

      const now = needed(await api.call(read, { params }));
      const theirs = editing.typedFrom(now.body, context);
      const merged = merge(given, theirs, typed);
      const who = await lastChangeBy(view, editing.resourceType, now.body.id);
      const notice = mergeNotice(thing, who, merged.changes, editing.labelOf);
      return show(view, now.body, context, { typed: merged.typed, given: theirs, etag: now.etag, notice });
    },
  };
  return [page, sent];
}

/** Those of the fields that are not as they were given out. */
export function touched(typed: Typed, given: Typed, fields: readonly string[]): boolean {
  return fields.some((field) => (typed[field] ?? '') !== (given[field] ?? ''));
}
