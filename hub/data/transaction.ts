import type { Clock } from '../../contexts/base/clock.ts';
import { jittered, type Random } from '../../contexts/base/random.ts';
import type { Database, Queryable } from '../db/client.ts';
import { databaseFault } from './errors.ts';

const attemptsMax = 4;

/**
 * Sends a statement whose answer nobody needs before the commit's: what comes after it, be it the commit, is sent at
 * once, in this order. Where it fails, so does all that follows, and the transaction fails with its error. Resolves when
 * it is on its way.
 */
export type SendAlong = (statement: { execute(): Promise<unknown> }) => Promise<void>;

/**
 * Runs `work` in one transaction and runs it again, from the start, when the database had to break a tie between
 * transactions (deadlock, serialization). Anything else it throws rolls back and is thrown on.
 */
export async function inTransaction<Result>(
  services: { database: Database; clock: Clock; random: Random },
  work: (tx: Queryable, sendAlong: SendAlong) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await attempted(services.database, work);
    } catch (error) {
      if (databaseFault(error) !== 'conflict' || attempt === attemptsMax) throw error;
      await services.clock.sleep(jittered(services.random, 20 * 2 ** attempt, 0.5));
    }
  }
}

async function attempted<Result>(
  { db }: Database,
  work: (tx: Queryable, sendAlong: SendAlong) => Promise<Result>,
): Promise<Result> {
  const sent: Promise<unknown>[] = [];
  let failed: { error: unknown } | undefined;
  const sendAlong: SendAlong = (statement) => {
    const answered = statement.execute();
    answered.catch((error) => {
      failed ??= { error };
    });
    sent.push(answered);
    return everythingSent();
  };
  try {
    const result = await db.transaction((tx) => work(tx, sendAlong));
    await Promise.all(sent); // a commit of what has failed is answered as a rollback, and no failure
    return result;
  } catch (error) {
    throw failed ? failed.error : error; // what comes after it failed of that
  }
}

/**
 * Resolves when every promise that could go on has: a statement that was begun is with the driver then, however many
 * promises deep the way there is, and whatever follows goes out behind it. What went out behind the commit would be
 * outside of the transaction.
 */
function everythingSent(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
