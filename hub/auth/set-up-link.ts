import type { Queryable } from '../db/client.ts';
import { type MadeLink, makeLink } from './one-time-links.ts';
import type { PeopleServices } from './people-services.ts';
import { isWithoutPeople } from './welcome.ts';

/** A link that makes the platform's first owner; undefined where somebody has signed in already. */
export async function makeSetUpLink(db: Queryable, parts: PeopleServices): Promise<MadeLink | undefined> {
  if (!(await isWithoutPeople(db))) return undefined;
  return makeLink(db, { purpose: 'set-up', userId: null, createdBy: 'hub' }, parts);
}
