import type { Clock } from '../../../contexts/base/clock.ts';
import type { DatabaseAddress } from '../../../hub/config.ts';
import type { DatabaseFinding } from '../../../hub/diagnosis.ts';
import { clockFinding, doubt, type Finding, fault, fine, wordsOf } from './finding.ts';

/** Publishers take a change within a second; one that waits a minute waits for a publisher. */
const outboxLateMs = 60_000;

/** The hub's database: reached, migrated, capturing, writable, relayed. */
export async function checkDatabase(
  address: DatabaseAddress,
  clock: Clock,
): Promise<{ findings: Finding[]; hubId: string | undefined }> {
  const { diagnoseDatabase } = await import('../../../hub/diagnosis.ts');
  const askedAtMs = clock.now();
  try {
    const { atMs, hubId, findings } = await diagnoseDatabase(address);
    const withinMs = clock.now() - askedAtMs;
    return {
      findings: [
        fine('Postgres', 'answers'),
        ...(atMs === undefined
          ? []
          : [clockFinding('clock of Postgres', atMs - (askedAtMs + withinMs / 2), withinMs)]),
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
    case 'pooler':
      return sessionInWords(finding.session);
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

/** Hub and publisher refuse to start where it is a fault. */
function sessionInWords(session: Extract<DatabaseFinding, { what: 'pooler' }>['session']): Finding {
  const what = 'connections to Postgres';
  switch (session.state) {
    case 'own-connections':
      return fine(what, 'keep what they are told: no pooler in between, or one that gives each its own');
    case 'undeclared':
      return fault(
        what,
        `${session.through} leads through a pooler (PgBouncer?), which keeps no settings of a connection`,
        session.through === 'DATABASE_URL'
          ? 'set SPOKECAST_DATABASE_POOLER=transaction'
          : 'it has to name Postgres itself',
      );
    case 'pooled':
      if (session.direct === 'none')
        return doubt(
          what,
          'go through a pooler, and nothing can be listened for: changes take up to half a second longer',
          'SPOKECAST_DATABASE_DIRECT_URL gives hub and publisher a connection past it',
        );
      if (!session.bounded)
        return doubt(
          what,
          'go through a pooler, and a statement outside of a transaction may run for ever',
          "alter role <user> set statement_timeout = '30s'",
        );
      return fine(what, 'go through a pooler, and what listens goes past it');
  }
}
