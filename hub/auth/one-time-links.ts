import { and, eq, gt, isNull, sql } from 'drizzle-orm';
import { timestamp } from '../../contexts/base/clock.ts';
import { newId } from '../../contexts/ids.ts';
import type { Queryable } from '../db/client.ts';
import { oneTimeLinks } from '../db/people-tables.ts';
import type { PeopleServices } from './people-services.ts';
import { hashOfToken, isToken, newToken } from './tokens.ts';

export type LinkRow = typeof oneTimeLinks.$inferSelect;
export type LinkPurpose = LinkRow['purpose'];

export interface NewLink {
  purpose: LinkPurpose;
  userId: string | null;
  /** Of an invitation: the memberships it is to. */
  scopes?: readonly (string | null)[];
  /** Of a command line: the hash of what only the command that began it knows. */
  challenge?: string;
  createdBy: string;
}

/** The link itself is in `url` and nowhere else. */
export interface MadeLink {
  id: string;
  url: string;
  expiresAt: string;
}

/** Makes a link, in the place of those before it for the same person and purpose (and scopes). */
export async function makeLink(db: Queryable, wanted: NewLink, parts: PeopleServices): Promise<MadeLink> {
  const { clock, random, people } = parts;
  const { purpose, userId, createdBy, scopes = [], challenge = null } = wanted;
  const token = newToken(random);
  const expiresAt = new Date(clock.now() + people.linkMs[purpose]);
  const id = newId('oneTimeLink', clock, random);
  if (userId !== null && purpose !== 'command-line')
    await db
      .delete(oneTimeLinks)
      .where(
        and(
          eq(oneTimeLinks.userId, userId),
          eq(oneTimeLinks.purpose, purpose),
          isNull(oneTimeLinks.usedAt),
          sql`${oneTimeLinks.scopes} = ${JSON.stringify(scopes)}::jsonb`,
        ),
      );
  await db.insert(oneTimeLinks).values({
    ...{ id, purpose, userId, createdBy, challenge, expiresAt, scopes: [...scopes] },
    tokenHash: hashOfToken(token),
    createdAt: new Date(clock.now()),
  });
  const url = `${people.origin()}/${purpose}?token=${token}`;
  return { id, url, expiresAt: timestamp(expiresAt.getTime()) };
}

/** The link that a token opens, where it is still good for that. Opening changes nothing: mail scanners open links. */
export async function findLink(
  db: Queryable,
  purpose: LinkPurpose,
  token: string | null | undefined,
  { clock }: Pick<PeopleServices, 'clock'>,
): Promise<LinkRow | undefined> {
  if (!isToken(token)) return undefined;
  const [row] = await db
    .select()
    .from(oneTimeLinks)
    .where(
      and(
        eq(oneTimeLinks.tokenHash, hashOfToken(token)),
        eq(oneTimeLinks.purpose, purpose),
        isNull(oneTimeLinks.usedAt),
        gt(oneTimeLinks.expiresAt, new Date(clock.now())),
      ),
    );
  return row;
}

/** Makes invitations to that membership useless, also to accept others or another that is made later. */
export async function voidInvitations(
  db: Queryable,
  { userId, tenantId }: { userId: string; tenantId: string | null },
): Promise<void> {
  await db
    .delete(oneTimeLinks)
    .where(
      and(
        eq(oneTimeLinks.userId, userId),
        eq(oneTimeLinks.purpose, 'invitation'),
        isNull(oneTimeLinks.usedAt),
        sql`${oneTimeLinks.scopes} @> ${JSON.stringify([tenantId])}::jsonb`,
      ),
    );
}

/** Uses a link up. False where somebody else did meanwhile; the caller's transaction must then change nothing. */
export async function useUp(
  db: Queryable,
  link: LinkRow,
  { clock }: Pick<PeopleServices, 'clock'>,
): Promise<boolean> {
  const used = await db
    .update(oneTimeLinks)
    .set({ usedAt: new Date(clock.now()) })
    .where(and(eq(oneTimeLinks.id, link.id), isNull(oneTimeLinks.usedAt)))
    .returning({ id: oneTimeLinks.id });
  return used.length === 1;
}
