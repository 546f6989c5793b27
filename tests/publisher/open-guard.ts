import type { GuardPort } from '../../publisher/guard.ts';

/** Lets everything through: for suites that are about something else. */
export const openGuard: GuardPort = {
  claim: async () => new Map(),
  noteInvalid: async () => {},
  freeze: () => undefined,
};
