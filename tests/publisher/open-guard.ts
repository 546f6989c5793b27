import type { GuardPort } from '../../publisher/guard.ts';

/** Lets everything through: for suites that are about something else. */
export const openGuard: GuardPort = {
  windowMs: 0,
  claim: async () => new Map(),
  noteInvalid: async () => {},
  freeze: () => undefined,
};
