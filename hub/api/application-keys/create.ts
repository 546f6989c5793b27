import { z } from '@hono/zod-openapi';
import { newId } from '../../../contexts/ids.ts';
import { newSecret, verifierOf } from '../../../contexts/secrets.ts';
import { covers } from '../../access.ts';
import { role } from '../../auth/actor.ts';
import { writeAudit } from '../../data/audit.ts';
import { checkedExpiry, toTimestamp } from '../../data/expiry.ts';
import { applicationKeys } from '../../db/schema.ts';
import { expiresAt, idOf, name } from '../../http/fields.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';
import { requireTenant } from '../tenants/tenant.ts';
import { ApplicationKeyCreated, toApplicationKey, withoutUse } from './application-key.ts';

const body = z
  .strictObject({
    role,
    name: name.openapi({ example: 'terraform' }),
    tenantId: idOf('tenant').nullable().optional().openapi({
      description:
        "Confines the key to that tenant. Default: the tenant of the key that creates it; null, the platform, for the platform's own keys.",
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
  description: 'With at most the rights of the key that creates it. The answer holds the secret, this once.',
  operation: 'application-keys.write',
  body,
  answer: { status: 201, description: 'The key with its secret.', schema: ApplicationKeyCreated },
  problems: ['NOT_FOUND'],
  async handle(call) {
    const { db, actor, services } = call;
    const { role, name, tenantId = actor.tenantId } = call.body;
    const expiry = checkedExpiry(call.body.expiresAt, services.clock) ?? null;
    if (tenantId !== null) await requireTenant(db, actor, tenantId, '/tenantId');
    if (!covers(actor, { role, tenantId }))
      fail('FORBIDDEN', 'The new key would have rights that yours does not have.');

    const id = newId('applicationKey', services.clock, services.random);
    const secret = newSecret('applicationKey', id, services.random);
    const [row] = await db
      .insert(applicationKeys)
      .values({
        id,
        role,
        name,
        tenantId,
        verifier: verifierOf(secret),
        expiresAt: toTimestamp(expiry),
      })
      .returning();
    const key = toApplicationKey(row!);
    await writeAudit(call, {
      action: 'create',
      resourceType: 'application-key',
      resourceId: id,
      tenantId,
      after: withoutUse(key),
    });
    call.afterCommit(() => services.keys.clear());
    return {
      body: { ...key, secret },
      representation: withoutUse(key),
      replay: { ...key, secretOmitted: true as const },
    };
  },
});
