/**
 * A server of yours that the suites use instead of one of their own, as its superuser: another version of Postgres, say.
 * What they leave behind there when they are killed is removed by the next run. Backups are then `pg_dump`'s.
 */
export function givenPostgres(): string | undefined {
  return process.env.TEST_POSTGRES_URL || undefined;
}
