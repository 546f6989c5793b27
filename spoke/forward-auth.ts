import { answerOf } from './answers.ts';
import { type Decision, type RefusalCode, refusals } from './decide.ts';
import { headersOf, internalError, makeReply, type Reply } from './replies.ts';

/**
 * Authentication for callers that understand 2xx, 401 and 403 only: nginx's `auth_request` makes a 500 of anything
 * else, so that an agent would take "ask again in a second" for a fault. Here every refusal is 401 or 403, and two
 * headers carry what it really is, for the caller to answer with: the status, and the code of the problem document.
 *
 * What is no denial becomes 403 and never 401: a client that is told 401 throws its credential away.
 */
export const refusalHeaders = { status: 'spokecast-status', code: 'spokecast-code' } as const;

export function forwardAuthAnswer(decision: Decision, region: string): Reply {
  if (decision.outcome === 'granted') return answerOf(decision, region);
  if (decision.problem === undefined && decision.rate === undefined) return refusalReplies[decision.code];
  return narrowed(answerOf(decision, region), decision.code);
}

export const forwardAuthInternalError = narrowed(internalError, 'INTERNAL');

const refusalReplies = Object.fromEntries(
  (Object.keys(refusals) as RefusalCode[]).map((code) => {
    const told = code === 'WRONG_SECRET' ? 'NOT_FOUND' : code;
    return [code, narrowed(answerOf({ outcome: 'refused', code }, ''), told)];
  }),
) as Record<RefusalCode, Reply>;

function narrowed(reply: Reply, code: string): Reply {
  const { status, body } = reply;
  const told = { [refusalHeaders.status]: String(status), [refusalHeaders.code]: code };
  return makeReply(status === 401 ? 401 : 403, { ...headersOf(reply), ...told }, body);
}
