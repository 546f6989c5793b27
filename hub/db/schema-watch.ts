import type { Clock } from '../../contexts/base/clock.ts';
import { Loop } from '../../contexts/base/loop.ts';
import type { Database } from './client.ts';
import { checkMigrated, type SchemaError, type SchemaRules } from './migrate.ts';

export interface SchemaWatch {
  readonly loop: Loop;
  /** Resolves with the reason when the database is no longer at a schema that this build may work with. */
  readonly outdated: Promise<SchemaError>;
}

/** How long an older process may go on after somebody has migrated under it. */
const lookEveryMs = 5_000;

/**
 * Looks whether somebody has migrated the database since this process began (or has restored it): a role that would
 * refuse to start ends, with the same message. Between the migration and that moment it writes what it always wrote,
 * which is why a migration only adds (docs/upgrading.md).
 */
export function watchSchema(database: Database, clock: Clock, rules: SchemaRules): SchemaWatch {
  const { promise: outdated, resolve } = Promise.withResolvers<SchemaError>();
  const loop = new Loop({
    name: 'schema',
    clock,
    everyMs: lookEveryMs,
    turn: async () => {
      const refusal = await checkMigrated(database, rules).catch((error: unknown) => {
        if (error instanceof Error && 'exitCode' in error) return error as SchemaError;
        throw error;
      });
      if (refusal) resolve(refusal);
    },
    onError: () => {}, // a database that does not answer is told of by whoever needs it, and by this loop's age
  });
  return { loop, outdated };
}
