import { z } from '@hono/zod-openapi';
import { fail } from './problems.ts';

/**
 * Lists are read in pages by id (keyset paging): a page costs the same at the end of a long list as at its
 * beginning, and nothing is shown twice or skipped because something was created or deleted meanwhile.
 */
export const pageQuery = {
  limit: z
    .string()
    .regex(/^\d{1,4}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(1, 'must be from 1 to 200').max(200, 'must be from 1 to 200'))
    .optional()
    .openapi({ type: 'integer', minimum: 1, maximum: 200, default: 50, description: 'Items a page.' }),
  cursor: z
    .string()
    .max(2000, 'is not a cursor of this list')
    .optional()
    .openapi({ description: '`nextCursor` of the page before. Opaque, and good for this list only.' }),
};

export function pageOf<Item extends z.ZodType>(name: string, item: Item) {
  return z
    .strictObject({
      items: z.array(item),
      nextCursor: z
        .string()
        .nullable()
        .openapi({ description: 'For the next page; null on the last.', example: null }),
    })
    .openapi(name);
}

export interface PageRequest {
  /** The id after which the page begins; undefined for the first page. */
  after: string | undefined;
  limit: number;
}

/** What `limit` and `cursor` ask for. @throws ProblemError 400 for a cursor this list did not give. */
export function pageRequest(
  list: string,
  query: { limit?: number | undefined; cursor?: string | undefined },
): PageRequest {
  const limit = query.limit ?? 50;
  if (query.cursor === undefined) return { after: undefined, limit };
  const match = /^([a-z-]+)\/([a-z0-9_-]{1,1200})$/.exec(Buffer.from(query.cursor, 'base64url').toString());
  if (!match || match[1] !== list || cursorOf(list, match[2]!) !== query.cursor) {
    return notACursor();
  }
  return { after: match[2], limit };
}

/** @throws ProblemError 400. */
export function notACursor(): never {
  fail('VALIDATION_FAILED', { errors: [{ pointer: '?cursor', detail: 'is not a cursor of this list' }] });
}

/**
 * The page from `rows`, of which the caller read `limit + 1`: the one too many tells that another page follows. It
 * begins after the last row's id, or what `place` says instead.
 */
export function pageFrom<Row extends { id: string }, Item>(
  list: string,
  page: PageRequest,
  rows: Row[],
  item: (row: Row) => Item,
  place: (row: Row) => string = (row) => row.id,
) {
  const shown = rows.slice(0, page.limit);
  const last = rows.length > page.limit ? shown.at(-1) : undefined;
  return { items: shown.map(item), nextCursor: last ? cursorOf(list, place(last)) : null };
}

function cursorOf(list: string, id: string): string {
  return Buffer.from(`${list}/${id}`).toString('base64url');
}
