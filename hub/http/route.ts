import type { z } from '@hono/zod-openapi';
import type { Operation } from '../access.ts';
import type { Actor } from '../auth/actor.ts';
import type { SendAlong } from '../data/transaction.ts';
import type { Queryable } from '../db/client.ts';
import type { Tag } from '../reference/tags.ts';
import type { Services } from '../services.ts';
import type { HubProblemCode } from './problems.ts';

/**
 * A route of the API, as its file declares it: schemas, who may call it, what it does. hub/routes.ts lists them
 * all; http/pipeline.ts runs them; reference/document.ts makes the OpenAPI document of them. The security suite
 * takes its routes from that document, so there is no route that escapes it.
 */
export interface Route<
  Params extends z.ZodObject = z.ZodObject,
  Query extends z.ZodObject = z.ZodObject,
  Body extends z.ZodType = z.ZodType,
  Answered extends z.ZodType = z.ZodType,
> {
  method: Method;
  /** As OpenAPI writes it: `/v1/tenants/{id}`. */
  path: string;
  /** Unique; what generated clients call it. */
  operationId: string;
  tag: Tag;
  summary: string;
  description?: string;
  operation: Operation;
  /** A path that does not fit these is a 404. */
  params?: Params;
  query?: Query;
  /** Headers it takes beside those that all do, for the document; the handler reads them with `call.header`. */
  headers?: z.ZodObject;
  body?: Body;
  answer: {
    status: 200 | 201 | 202 | 204;
    description: string;
    schema?: Answered;
    /** A stream of events, each of which fits the schema; default JSON. */
    contentType?: 'text/event-stream';
  };
  /** Beyond those that every route may give. */
  problems: readonly HubProblemCode[];
  /**
   * Everything but GET runs in one transaction, with its audit entry and its idempotency key; it is run again from
   * the start after a deadlock, so what it does outside the database waits in `call.afterCommit`.
   */
  handle(call: Call<z.output<Params>, z.output<Query>, z.output<Body>>): Promise<Answer<z.input<Answered>>>;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One request, checked: what a handler works with. */
export interface Call<Params, Query, Body> {
  actor: Actor;
  requestId: string;
  params: Params;
  query: Query;
  body: Body;
  ifMatch: string | undefined;
  header(name: string): string | undefined;
  /** Closes the connection of the request, unless its whole answer has been taken. */
  hangUp(): void;
  /** The transaction of a mutation; for GET, the pool. */
  db: Queryable;
  services: Services;
  /** As {@link SendAlong} says; absent for GET. */
  sendAlong?: SendAlong;
  afterCommit(action: () => void): void;
}

export interface Answer<Content> {
  body?: Content;
  /** Sent as it comes, instead of a body. It is bounded by itself: no deadline of a request ends it. */
  stream?: ReadableStream<Uint8Array>;
  /** What the `ETag` is computed from, where it is not the whole body (a secret, a time of last use). */
  representation?: object;
  /**
   * For what takes longer than a request may: waits, and gives the body to answer with instead. Bounded by itself; it
   * begins when all else is done and committed.
   */
  afterwards?: () => Promise<Content>;
  /** Called instead of `afterwards` where the request was given up. */
  abandon?: () => void;
  /** What an idempotent replay gives instead of `body`, where that must not be kept (a secret). */
  replay?: Content;
}

export type AnyRoute = Omit<Route, 'handle'> & {
  // biome-ignore lint/suspicious/noExplicitAny: routes of every shape in one list; `defineRoute` has checked each
  handle(call: Call<any, any, any>): Promise<Answer<unknown>>;
};

/** With the type of what it answers, for who calls it in this process. */
export type AnsweringRoute<Answered extends z.ZodType> = AnyRoute & { answer: { schema?: Answered } };

/** Checks a route's parts against each other and forgets most of their types, so that all fit one list. */
export function defineRoute<
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Body extends z.ZodType,
  Answered extends z.ZodType,
>(route: Route<Params, Query, Body, Answered>): AnsweringRoute<Answered> {
  return route as unknown as AnsweringRoute<Answered>;
}
