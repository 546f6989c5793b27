import { html } from 'hono/html';
import { type Role, roles } from '../../auth/actor.ts';
import { keyDays, makePersonalKey, revokePersonalKey } from '../../auth/personal-keys.ts';
import { isStillSignedIn, type Scope, scopeKey, whyNowhere } from '../../auth/sessions.ts';
import { inTransaction } from '../../data/transaction.ts';
import { name as nameSchema } from '../../http/fields.ts';
import type { Form } from '../../http/form.ts';
import {
  checkIdempotencyKey,
  claimOrReplay,
  type IdempotencyClaim,
  keepingAnswer,
  requestHash,
} from '../../http/idempotency.ts';
import { fail } from '../../http/problems.ts';
import { pageAnswer } from '../layout.ts';
import { type Page, seeOther } from '../page.ts';
import { unlessHolder } from './holder.ts';
import { whoIsSignedIn } from './login.ts';

/** What the forms of a person's own keys are sent to, on the page `/account`. */

export const makeKeyForm: Page = {
  method: 'POST',
  path: '/account/keys',
  async handle(call) {
    const { person, instead } = await whoIsSignedIn(call);
    if (instead) return instead;
    const { form, services, requestId } = call;
    const { user, scope } = person;
    const name = nameSchema.safeParse(form.get('name'));
    const role = roles.find((one) => one === form.get('role'));
    const days = keyDays.find((one) => String(one) === form.get('days'));
    if (!name.success || role === undefined || days === undefined)
      fail('VALIDATION_FAILED', `A key needs a name, a role, and one of ${keyDays.join(', ')} days.`);
    if (!scope) fail('FORBIDDEN', whyNowhere(person));
    const wanted = { scope, role, days, name: name.data };
    const claim = claimOf(form, user.id, wanted);
    const refusal = await unlessHolder(call, person);
    if (refusal) return refusal;
    const made = await inTransaction(services, async (db) => {
      if (!(await isStillSignedIn(db, person))) return 'signed-out';
      const kept = claim ? await claimOrReplay(db, claim) : 'claimed';
      if (kept !== 'claimed') return 'already';
      const key = await makePersonalKey(db, user, wanted, requestId, services);
      if (key === 'too-many') fail('TOO_MANY_KEYS');
      if (claim) await keepingAnswer(db, claim, { status: 200, body: null, etag: null, fence: null });
      return key;
    });
    if (made === 'signed-out') return seeOther('/login');
    if (made === 'already')
      return pageAnswer(
        'The key was made already',
        html`<p>It was shown then, and is kept nowhere. Where it is lost, revoke it and make another.</p>
<p><a href="/account">Your keys</a></p>`,
      );
    return pageAnswer(
      'Your new key',
      html`<p>This is the key, shown this once and kept nowhere:</p>
<p><code>${made.secret}</code></p>
<p><a href="/account">I have it</a></p>`,
    );
  },
};

/** What makes two sendings of the form one key, in the scope that the form spoke of. */
function claimOf(
  form: Form,
  userId: string,
  { scope, ...wanted }: { scope: Scope; role: Role; days: number; name: string },
): IdempotencyClaim | undefined {
  const key = form.given('idempotencyKey');
  if (key === undefined) return undefined;
  checkIdempotencyKey(key);
  const here = scopeKey(scope.tenantId);
  if (!key.startsWith(`${here}.`))
    fail('FORBIDDEN', `The form was opened where you do not act any more; you act in ${scope.name} now.`);
  return {
    applicationKeyId: `${userId}/account`,
    ...{ key, requestHash: requestHash('POST', '/account/keys', { ...wanted, in: here }) },
  };
}

export const revokeKeyForm: Page = {
  method: 'POST',
  path: '/account/keys/revoke',
  async handle(call) {
    const { person, instead } = await whoIsSignedIn(call);
    if (instead) return instead;
    const { user } = person;
    const key = { id: call.form.get('key'), userId: user.id };
    await revokePersonalKey(key, user, call.requestId, call.services);
    return seeOther('/account');
  },
};
