import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import { Loop } from '../contexts/base/loop.ts';
import { withdrawalOf } from './answers.ts';
import type { Authenticator } from './authenticate.ts';
import type { Forwarder } from './forward/forwarder.ts';

/** What is under way is asked so often whether it is still let in: a revocation ends it within a second or two. */
const everyMs = 1_000;

export function reviewOf(parts: {
  forwarder: Forwarder;
  authenticator: Authenticator;
  clock: Clock;
  log: Logger;
}): Loop {
  const { forwarder, authenticator, clock, log } = parts;
  return new Loop({
    name: 'review',
    clock,
    everyMs,
    turn: async () =>
      forwarder.review(({ key, verifier, incoming: from }) => {
        const decision = authenticator.reconsider({ keyId: key.id, verifier, from });
        return decision instanceof Promise ? undefined : withdrawalOf(decision);
      }),
    onError: (error) => log.error({ err: error }, 'reviewing what is under way failed by a mistake of ours'),
  });
}
