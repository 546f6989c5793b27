import { expect, test } from 'vitest';
import { systemClock as clock } from '../../../contexts/base/clock.ts';
import { connect } from '../../../hub/db/client.ts';
import { createDatabase } from '../../support/database.ts';
import { Severable } from '../support/severable.ts';

test('a database that was gone for a while is found again soon after its return, however long it was gone', async () => {
  await using database = await createDatabase('empty');
  await using proxy = await new Severable(database.url).restore();
  await using pool = connect(proxy.url, { applicationName: 'test', max: 1 });
  await pool.sql`select 1`;
  await proxy.sever();
  // Each attempt makes the driver wait longer before the next.
  for (let attempt = 0; attempt < 8; attempt++) await pool.sql`select 1`.catch(() => {});
  await proxy.restore();
  const restoredAtMs = clock.monotonic();
  await expect.poll(() => pool.sql`select 1`.then(() => 'found'), { timeout: 30_000 }).toBe('found');
  expect(clock.monotonic() - restoredAtMs).toBeLessThan(8_000);
});
