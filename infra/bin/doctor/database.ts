import type { Clock } from '../../../contexts/base/clock.ts';
import type { DatabaseFinding } from '../../../hub/diagnosis.ts';
import { clockFinding, type Finding, fault, fine, wordsOf } from './finding.ts';

/** Publishers take a change within a second; one that waits a minute waits for a publisher. */
const outboxLateMs = 60_000;

/** The hub's database: reached, migrated, capturing, writable, relayed. */
export async function checkDatabase(
  databaseUrl: string,
  clock: Clock,
): Promise<{ findings: Finding[]; hubId: string | undefined }> {
  const { diagnoseDatabase } = await import('../../../hub/diagnosis.ts');
  const askedAtMs = clock.now();
  try {
    const { atMs, hubId, findings } = await diagnoseDatabase(databaseUrl);
    const withinMs = clock.now() - askedAtMs;
    return {
      findings: [
        fine('Postgres', 'answers'),
        clockFinding('clock of Postgres', atMs - (askedAtMs + withinMs / 2), withinMs),
        ...findings.map(inWords),
      ],
      hubId: hubId ?? undefined,
    };
  } catch (error) {
    const fix =
      'Is what DATABASE_URL names running, may this machine reach it, and are user and password right?';
    return { findings: [fault('Postgres', wordsOf(error), fix)], hubId: undefined };
  }
}

function inWords(finding: DatabaseFinding): Finding {
  switch (finding.what) {
    case 'migrations':
      if (finding.state === 'behind')
        return fault('migrations', `${finding.missing.join(', ')} are missing`, 'spokecast migrate');
      if (finding.state === 'current') return fine('migrations', "the database has this version's schema");
      return fault(
        'migrations',
        'a newer version has migrated the database',
        'Use that version, or see docs/upgrading.md for going back',
      );
    case 'capture':
      if (finding.disabled.length === 0) return fine('capture', 'every trigger is on');
      return fault(
        'capture',
        `triggers are off: ${finding.disabled.join(', ')}. What changes now reaches no region before the next sweep`,
        'alter table ... enable trigger all; then spokecast sweep',
      );
    case 'permissions':
      if (finding.lacking.length === 0)
        return fine('permissions in Postgres', 'this user may read and write every table');
      return fault(
        'permissions in Postgres',
        `this user may not read and write ${finding.lacking.join(', ')}`,
        'grant select, insert, update, delete on all tables in schema public to <user>',
      );
    case 'outbox':
      if (finding.oldestMs === null || finding.oldestMs < outboxLateMs)
        return fine('outbox', finding.oldestMs === null ? 'nothing waits' : 'what waits is young');
      return fault(
        'outbox',
        `a change has waited ${Math.round(finding.oldestMs / 1000)} s for a publisher`,
        'Does a publisher run? Look at its /readyz and its log',
      );
  }
}
