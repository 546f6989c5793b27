import type { Clock } from '../../contexts/base/clock.ts';
import { jittered, type Random } from '../../contexts/base/random.ts';
import type { Database, Queryable } from '../db/client.ts';
import { databaseFault } from './errors.ts';

const attemptsMax = 4;

/**
 * Runs `work` in one transaction and runs it again, from the start, when the database had to break a tie between
 * transactions (deadlock, serialization). Anything else it throws rolls back and is thrown on.
 */
export async function inTransaction<Result>(
  services: { database: Database; clock: Clock; random: Random },
  work: (tx: Queryable) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await services.database.db.transaction(work);
    } catch (error) {
      if (databaseFault(error) !== 'conflict' || attempt === attemptsMax) throw error;
      await services.clock.sleep(jittered(services.random, 20 * 2 ** attempt, 0.5));
    }
  }
}
