import { passwordFault } from '../../auth/passwords.ts';
import { cookieGone, cookieWith } from '../../auth/session-cookie.ts';
import { chooseScope, endSession, endSessions } from '../../auth/sessions.ts';
import { changePassword } from '../../auth/welcome.ts';
import { writeAudit } from '../../data/audit.ts';
import { inTransaction } from '../../data/transaction.ts';
import { fail } from '../../http/problems.ts';
import { ownPath, type Page, seeOther } from '../page.ts';
import { accountAnswer } from './account.ts';
import { browserOf, homePath } from './browser.ts';
import { unlessKnowsPassword } from './holder.ts';
import { whoIsSignedIn } from './login.ts';

/** What the forms of the page `/account` are sent to. */

export const changePasswordForm: Page = {
  method: 'POST',
  path: '/account/password',
  async handle(call) {
    const { form, services, site } = call;
    const { person, instead } = await whoIsSignedIn(call);
    if (instead) return instead;
    const password = form.get('password');
    const fault = passwordFault(password, person.user.email);
    if (fault !== undefined)
      return accountAnswer(person, services, { wrong: [`The new password ${fault}.`], status: 422 });
    const refusal = await unlessKnowsPassword(call, person);
    if (refusal) return refusal;
    const token = await changePassword(person, password, browserOf(call), services);
    return seeOther('/account', cookieWith(site, token, services.people.sessionMs));
  },
};

export const chooseScopeForm: Page = {
  method: 'POST',
  path: '/account/scope',
  async handle(call) {
    const { person, instead } = await whoIsSignedIn(call);
    if (instead) return instead;
    const { form, services } = call;
    const chosen = await chooseScope(services.database.db, person, form.get('scope'));
    if (chosen === 'no-such-scope') fail('NOT_FOUND', 'You do not belong there.');
    return seeOther(ownPath(form.get('next'), homePath));
  },
};

export const endSessionForm: Page = {
  method: 'POST',
  path: '/account/sessions/end',
  async handle(call) {
    const { person, instead } = await whoIsSignedIn(call);
    if (instead) return instead;
    await endSession(call.services.database.db, person.user.id, call.form.get('session'));
    return seeOther('/account');
  },
};

export const endSessionsForm: Page = {
  method: 'POST',
  path: '/account/sessions/end-all',
  async handle(call) {
    const { person, instead } = await whoIsSignedIn(call);
    if (instead) return instead;
    const { services, requestId, site } = call;
    const { user } = person;
    await inTransaction(services, async (db) => {
      await endSessions(db, user.id);
      const entry = { resourceType: 'user', resourceId: user.id, tenantId: null } as const;
      await writeAudit({ db, actor: user, requestId, services }, { action: 'sign-out-everywhere', ...entry });
    });
    return seeOther('/login', cookieGone(site));
  },
};
