import { defineRoute } from '../../http/route.ts';
import {
  ApplicationKey,
  applicationKeyParams,
  findApplicationKey,
  toApplicationKey,
  withoutUse,
} from './application-key.ts';

export const getApplicationKey = defineRoute({
  method: 'GET',
  path: '/v1/application-keys/{id}',
  operationId: 'getApplicationKey',
  tag: 'application-keys',
  summary: 'Read an application key',
  description: 'Without its secret, which nobody can read again.',
  operation: 'application-keys.read',
  params: applicationKeyParams,
  answer: { status: 200, description: 'The key.', schema: ApplicationKey },
  problems: ['NOT_FOUND'],
  async handle({ actor, db, params }) {
    const key = toApplicationKey(await findApplicationKey(db, actor, params.id));
    return { body: key, representation: withoutUse(key) };
  },
});
