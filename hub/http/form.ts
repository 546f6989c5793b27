import { readBounded } from './body.ts';
import { isStorable } from './json.ts';
import { fail } from './problems.ts';

/** What a form of ours sent; a field that is absent or cannot be stored is empty. */
export interface Form {
  get(name: string): string;
  /** Undefined where it was left empty. */
  given(name: string): string | undefined;
  /** Every field with its value, in their order. */
  entries(): [name: string, value: string][];
}

/** @throws ProblemError 413 beyond the limit of bodies, 415 for anything but a plain form. */
export async function readForm(request: Request): Promise<Form> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/x-www-form-urlencoded *(;.*)?$/i.test(type) && request.body !== null)
    fail('UNSUPPORTED_MEDIA_TYPE', 'This takes a form, as browsers send it.');
  const bytes = request.body === null ? new Uint8Array() : await readBounded(request.body);
  return formOf(new URLSearchParams(new TextDecoder().decode(bytes)));
}

export function formOf(fields: URLSearchParams): Form {
  const get = (name: string) => {
    const value = fields.get(name) ?? '';
    return isStorable(value) ? value : '';
  };
  return {
    get,
    given: (name) => (get(name).trim() === '' ? undefined : get(name)),
    entries: () => [...fields.entries()].filter(([, value]) => isStorable(value)),
  };
}
