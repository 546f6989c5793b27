import { askServices } from './services.ts';

export interface TestDatabase extends AsyncDisposable {
  url: string;
}

/**
 * A database of this test's own on the run's Postgres: a copy of the migrated template, or an empty one. Dropped,
 * with whatever is still connected, when disposed of. Only in `.pg.`, `.redis.` and `.wheel.` test files.
 */
export async function createDatabase(template: 'migrated' | 'empty' = 'migrated'): Promise<TestDatabase> {
  const { name, url } = await askServices<{ name: string; url: string }>('POST', `/databases/${template}`);
  return { url, [Symbol.asyncDispose]: () => askServices('DELETE', `/databases/${name}`) };
}
