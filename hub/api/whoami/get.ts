import { z } from '@hono/zod-openapi';
import { role } from '../../auth/actor.ts';
import { expiresAt, idOf, name } from '../../http/fields.ts';
import { fail } from '../../http/problems.ts';
import { defineRoute } from '../../http/route.ts';

const WhoAmI = z
  .strictObject({
    id: z.union([idOf('applicationKey'), idOf('user')]).openapi({
      description:
        "The application key's id; a person's, where the request is of a browser that is signed in.",
      example: 'apk_01k9c0v8w1e4qafk3s7m2t6xhz',
    }),
    name: name.openapi({ example: 'terraform' }),
    role: role.openapi({ example: 'admin' }),
    scope: z.enum(['platform', 'tenant']).openapi({
      description: '`tenant`: it is confined to the things of `tenantId`.',
      example: 'tenant',
    }),
    tenantId: idOf('tenant').nullable().openapi({ description: 'Null for a key of the platform.' }),
    expiresAt,
  })
  .openapi('WhoAmI');

export const whoAmI = defineRoute({
  method: 'GET',
  path: '/v1/whoami',
  operationId: 'whoAmI',
  tag: 'application-keys',
  summary: 'See which key this is, and what it may do',
  description: 'For programs and people that were given a key: to find out before they need it.',
  operation: 'whoami.read',
  answer: { status: 200, description: 'The application key of this request.', schema: WhoAmI },
  problems: [],
  async handle({ actor, services }) {
    const scope = actor.tenantId === null ? ('platform' as const) : ('tenant' as const);
    const { id, name, role, tenantId } = actor;
    if (id === actor.userId) return { body: { id, name, role, scope, tenantId, expiresAt: null } };
    const row = await services.keys.get(id);
    if (!row) return fail('UNAUTHENTICATED', { headers: { 'www-authenticate': 'Bearer realm="spokecast"' } });
    return { body: { id, name, role, scope, tenantId, expiresAt: row.expiresAt?.toISOString() ?? null } };
  },
});
