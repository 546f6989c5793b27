import { html } from 'hono/html';
import type { Problem } from '../../../contexts/base/problem.ts';
import type { Html } from '../screen.ts';

/** What is wrong with what somebody typed, beside the fields it is about. */
export class Mistakes {
  readonly #byField = new Map<string, string>();
  /** What belongs to no field of the form. */
  readonly #others: string[] = [];
  readonly problem: Problem;

  /** `fieldOf` gives the form's field for a pointer into what was sent; by default the pointer's name. */
  constructor(problem: Problem, fieldOf: (pointer: string) => string | undefined = nameOf) {
    this.problem = problem;
    for (const { pointer, detail } of problem.errors ?? []) {
      const field = fieldOf(pointer);
      if (field === undefined) this.#others.push(`${pointer} ${detail}`);
      else if (!this.#byField.has(field)) this.#byField.set(field, detail);
    }
  }

  of(field: string): string | undefined {
    return this.#byField.get(field);
  }

  /** Above the form: what was refused, with a way to each field. */
  notice(): Html {
    const { title, detail } = this.problem;
    const fields = [...this.#byField];
    const said = fields.some(([, text]) => text === detail);
    return html`<div class="notice bad" role="alert"><p><strong>${title}.</strong> ${said ? '' : detail}</p>${
      fields.length + this.#others.length === 0
        ? ''
        : html`<ul>${fields.map(([field, text]) => html`<li><a href="#${field}">${field}</a> ${text}</li>`)}${this.#others.map((text) => html`<li>${text}</li>`)}</ul>`
    }</div>`;
  }
}

/** `/name` is the field `name`; what is inside of it is its too. */
function nameOf(pointer: string): string | undefined {
  return /^\/([^/]+)/.exec(pointer)?.[1];
}

/** What the console itself finds wrong, before anything is sent. */
export function typedWrong(errors: readonly { pointer: string; detail: string }[]): Problem {
  return {
    type: 'about:blank',
    title: 'Some fields need another look',
    status: 400,
    code: 'VALIDATION_FAILED',
    errors,
  };
}
