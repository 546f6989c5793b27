import { z } from '@hono/zod-openapi';
import { covers } from '../../access.ts';
import { role } from '../../auth/actor.ts';
import { requireHolder } from '../../auth/holder.ts';
import { hasTooManyKeys } from '../../auth/personal-keys.ts';
import { checkedExpiry } from '../../data/expiry.ts';
import { expiresAt, idOf, name } from '../../http/fields.ts';
import { blame, fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { requireTenant } from '../tenants/tenant.ts';
import { ApplicationKeyCreated, withoutUse } from './application-key.ts';
import { makeApplicationKey } from './make.ts';
import { checkPersonalEnd, personalDaysMax } from './personal-end.ts';

const body = z
  .strictObject({
    role,
    name: name.openapi({ example: 'terraform' }),
    tenantId: idOf('tenant').nullable().optional().openapi({
      description:
        "Confines the key to that tenant. Default: the tenant of the key that creates it; null, the platform, for the platform's own keys.",
    }),
    personal: z
      .boolean()
      .optional()
      .openapi({
        description: `Makes it the key of the person who asks: it can do no more than they can, and ends with them, at \`expiresAt\` (within ${personalDaysMax} days), or before. For people who are signed in, and keys that are somebody’s.`,
      }),
    expiresAt: expiresAt.optional(),
  })
  .openapi('ApplicationKeyCreate', { example: { role: 'admin', name: 'terraform' } });

export const createApplicationKey = defineRoute({
  method: 'POST',
  path: '/v1/application-keys',
  operationId: 'createApplicationKey',
  tag: 'application-keys',
  summary: 'Create an application key',
  description:
    'With at most the rights of the key that creates it. The answer holds the secret, this once. A person whom a session lets in must have signed in within the last ten minutes.',
  operation: 'application-keys.write',
  body,
  answer: { status: 201, description: 'The key with its secret.', schema: ApplicationKeyCreated },
  problems: ['NOT_FOUND', 'SIGN_IN_AGAIN', 'TOO_MANY_KEYS'],
  async handle(call) {
    const { db, actor, services } = call;
    const { role, name, tenantId = actor.tenantId } = call.body;
    const expiry = checkedExpiry(call.body.expiresAt, services.clock) ?? null;
    if (tenantId !== null) await requireTenant(db, actor, tenantId, '/tenantId');
    if (!covers(actor, { role, tenantId }))
      fail('FORBIDDEN', 'The new key would have rights that yours does not have.');

    requireHolder(actor, services);

    const userId = call.body.personal ? actor.userId : null;
    if (call.body.personal && userId === null)
      blame('VALIDATION_FAILED', '/personal', 'is for people: your application key is nobody’s');
    if (userId !== null) {
      if (tenantId !== actor.tenantId)
        blame('VALIDATION_FAILED', '/tenantId', 'must be where you act: a key of yours works there alone');
      checkPersonalEnd(expiry, services.clock);
      if (await hasTooManyKeys(db, userId)) fail('TOO_MANY_KEYS');
    }
    const { key, secret } = await makeApplicationKey(call, {
      role,
      name,
      tenantId,
      userId,
      expiresAt: expiry,
    });
    call.afterCommit(() => services.keys.clear());
    return {
      body: { ...key, secret },
      representation: withoutUse(key),
      replay: { ...key, secretOmitted: true as const },
    };
  },
});
