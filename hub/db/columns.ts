import { customType } from 'drizzle-orm/pg-core';

/** Ids and keys are `collate "C"`: byte order, as the stores sort, so that a sweep can merge the two streams. */
export const id = customType<{ data: string }>({ dataType: () => 'text collate "C"' });
/** A transaction id, comparable over the whole life of a database (it does not wrap). As text in JavaScript. */
export const xid8 = customType<{ data: string }>({ dataType: () => 'xid8' });
