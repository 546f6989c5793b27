import { defineRoute } from '../../http/route.ts';
import { findUser, toUser, User, userParams, withoutUse } from './user.ts';

export const getUser = defineRoute({
  method: 'GET',
  path: '/v1/users/{id}',
  operationId: 'getUser',
  tag: 'users',
  summary: 'Read a person',
  operation: 'users.read',
  params: userParams,
  answer: { status: 200, description: 'The person.', schema: User },
  problems: ['NOT_FOUND'],
  async handle({ actor, db, params }) {
    const user = toUser(await findUser(db, actor, params.id), actor);
    return { body: user, representation: withoutUse(user) };
  },
});
