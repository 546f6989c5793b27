import { option, value } from '../../contexts/base/options.ts';

/** Where the hub's database is, and what stands in between. */
export interface DatabaseAddress {
  url: string;
  /**
   * `transaction`: a pooler that gives each transaction another connection (PgBouncer's `pool_mode = transaction`), so
   * that nothing lasts from one to the next: no settings, no LISTEN, no session's locks, no prepared statements.
   */
  pooler: 'none' | 'transaction';
  /** Past the pooler, for what needs a connection of its own. */
  directUrl?: string | undefined;
}

/** The part of it that hub, publisher and commands share; each says of `DATABASE_URL` what it is to them. */
export const addressOptions = {
  databasePooler: option({
    env: 'SPOKECAST_DATABASE_POOLER',
    schema: value.oneOf(['none', 'transaction']),
    default: 'none',
    doc: 'transaction where DATABASE_URL leads through a pooler that gives each transaction another connection, as PgBouncer with pool_mode=transaction does.',
  }),
  databaseDirectUrl: option({
    env: 'SPOKECAST_DATABASE_DIRECT_URL',
    schema: value.databaseUrl(),
    optional: true,
    doc: 'The same database past the pooler, for connections that listen. Without it, what is listened for is asked for again and again.',
    secret: true,
  }),
};

/** Of a long-running role. */
export function addressOf(config: {
  databaseUrl: string;
  databasePooler: 'none' | 'transaction';
  databaseDirectUrl?: string | undefined;
}): DatabaseAddress {
  const { databaseUrl: url, databasePooler: pooler, databaseDirectUrl: directUrl } = config;
  return { url, pooler, directUrl };
}

/** Of a command that opens few connections and soon closes them: past the pooler where there is a way. */
export function commandAddressOf(config: Parameters<typeof addressOf>[0]): DatabaseAddress {
  const { directUrl, ...address } = addressOf(config);
  return directUrl === undefined ? address : { url: directUrl, pooler: 'none' };
}

/** What the log says where changes are found by looking only; undefined where somebody listens. */
export function deafness({ pooler, directUrl }: DatabaseAddress): string | undefined {
  if (pooler === 'none' || directUrl !== undefined) return undefined;
  return (
    'nothing can be listened for through a pooler: changes are found by looking, up to half a second later, and a ' +
    'freeze likewise. SPOKECAST_DATABASE_DIRECT_URL gives it a connection past the pooler'
  );
}
