import { z } from '@hono/zod-openapi';
import { writeAudit } from '../../data/audit.ts';
import { clearFreeze, type Freeze as Row, readFreezes, setFreeze } from '../../db/freezes.ts';
import { freezeModes } from '../../db/guard-schema.ts';
import { checkIfMatch, etagOf } from '../../http/etag.ts';
import { actorShown, moment, name } from '../../http/fields.ts';
import type { Answer, Call } from '../../http/route.ts';

export const freezeMode = z.enum(freezeModes, 'must be loosening or all').openapi({
  description:
    '`loosening`: nothing is published but what is deleted or turns to deny; `all`: that is not published either.',
});

/** A freeze as the API shows it. */
export const Freeze = z
  .strictObject({
    region: z.string().nullable().openapi({ description: 'Null: every region.', example: 'eu-west-1' }),
    mode: freezeMode,
    reason: z.string().nullable().openapi({ example: 'incident 4711' }),
    since: moment,
    actor: actorShown.openapi({ description: 'Who froze it.' }),
  })
  .openapi('Freeze');

export const freezeBody = z
  .strictObject({
    mode: freezeMode.optional().openapi({ default: 'loosening' }),
    reason: name
      .optional()
      .openapi({ description: 'Shown wherever the freeze is.', example: 'incident 4711' }),
  })
  .openapi('FreezeSet', { example: { reason: 'incident 4711' } });

export function toFreeze({ actorId, actorName, since, ...rest }: Row): z.infer<typeof Freeze> {
  return { ...rest, since: since.toISOString(), actor: { id: actorId, name: actorName } };
}

type FreezeCall<Body = unknown> = Call<unknown, unknown, Body>;

/** Freezes a region, or all of them where it is null. Publishers obey within a second. */
export async function freeze(
  call: FreezeCall<z.infer<typeof freezeBody> | undefined>,
  region: string | null,
): Promise<Answer<z.infer<typeof Freeze>>> {
  const { db, actor, body } = call;
  const before = await freezeIn(call, region);
  const { mode = 'loosening', reason = null } = body ?? {};
  const row = await setFreeze(db, { region, mode, reason, actorId: actor.id, actorName: actor.name });
  const after = toFreeze(row);
  await writeAudit(call, {
    action: before ? 'update' : 'create',
    ...{ resourceType: 'freeze', resourceId: region ?? '*', tenantId: null },
    ...(before ? { before } : {}),
    after,
  });
  return { body: after, representation: after };
}

/** Lifts the freeze of a region, or the one of all. What is not frozen stays so, and nothing is said of it. */
export async function thaw(call: FreezeCall, region: string | null): Promise<Answer<never>> {
  const before = await freezeIn(call, region);
  if (!before) return {};
  await clearFreeze(call.db, region);
  await writeAudit(call, {
    action: 'delete',
    ...{ resourceType: 'freeze', resourceId: region ?? '*', tenantId: null },
    before,
  });
  return {};
}

/** @throws ProblemError 412 where it is not what the caller has read. */
async function freezeIn(
  call: FreezeCall,
  region: string | null,
): Promise<z.infer<typeof Freeze> | undefined> {
  const found = (await readFreezes(call.db)).find((one) => one.region === region);
  const shown = found && toFreeze(found);
  checkIfMatch(call.ifMatch, shown ? etagOf(shown) : '"none"');
  return shown;
}
