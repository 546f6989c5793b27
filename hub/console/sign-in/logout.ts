import { cookieGone } from '../../auth/session-cookie.ts';
import { endSession, signedIn } from '../../auth/sessions.ts';
import { writeAudit } from '../../data/audit.ts';
import { inTransaction } from '../../data/transaction.ts';
import { type Page, seeOther } from '../page.ts';

export const logout: Page = {
  method: 'POST',
  path: '/logout',
  async handle({ request, site, services, requestId }) {
    const person = await signedIn(request, services);
    if (person) {
      const { user, session } = person;
      await inTransaction(services, async (db) => {
        await endSession(db, user.id, session.id);
        const entry = { resourceType: 'user', resourceId: user.id, tenantId: null } as const;
        await writeAudit({ db, actor: user, requestId, services }, { action: 'sign-out', ...entry });
      });
    }
    return seeOther('/login', cookieGone(site));
  },
};
