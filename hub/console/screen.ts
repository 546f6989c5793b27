import type { html } from 'hono/html';
import type { Problem } from '../../contexts/base/problem.ts';
import { allows, type Operation } from '../access.ts';
import type { Actor } from '../auth/actor.ts';
import type { Form } from '../http/form.ts';
import type { Answered, Api, Done } from './api.ts';

/** A piece of a page, escaped. */
export type Html = ReturnType<typeof html>;
export type Content = Html | Html[] | string;

/** Who looks at a page, and with whose rights. */
export interface Person {
  name: string;
  /** What they act in: the platform, or the name of a tenant. */
  scope: string;
  /** What they could act in instead, by the value that chooses it. */
  scopes: readonly { value: string; name: string; chosen: boolean }[];
  actor: Actor;
}

export type Theme = 'auto' | 'light' | 'dark';

/** One request for a page. */
export interface View {
  person: Person;
  api: Api;
  url: URL;
  params: Record<string, string>;
  /** What was sent; empty but for POST. */
  form: Form;
  /** htmx asks for a part of the page that it names with `part`. */
  part: string | undefined;
  theme: Theme;
  environment: string;
  /** Milliseconds since the Unix epoch. */
  nowMs: number;
  /** New with every call: what makes two sendings of one form the same request. */
  newIdempotencyKey(): string;
}

/** What a page answers with. */
export type Shown =
  | { title: string; content: Content; status?: number }
  /** Without the frame: what htmx puts into the page that it is on. */
  | { part: Content; status?: number }
  /** After a change: the browser asks for that page, so that reloading repeats nothing. */
  | { redirect: string }
  | { download: ReadableStream<Uint8Array>; type: string; name: string };

export interface Screen {
  method: 'GET' | 'POST';
  path: string;
  handle(view: View): Promise<Shown>;
}

/** Ends a page with what the API refused it. */
export class ScreenProblem extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.title);
    this.problem = problem;
  }
}

/** What a page cannot be shown without. @throws ScreenProblem. */
export function needed<Body>(answered: Answered<Body>): Done<Body> {
  if (answered.outcome === 'refused') throw new ScreenProblem(answered.problem);
  return answered;
}

/** Whether to offer something; whether it is allowed the API says again when it is done. */
export function may({ person }: View, operation: Operation): boolean {
  return allows(person.actor, operation);
}
