import { describe, expect, test } from 'vitest';
import { screens } from '../../hub/console/screens.ts';
import { coverage, withoutPage } from '../../hub/reference/coverage.ts';

describe('what can be done with the API', async () => {
  const all = await coverage();

  test('people can do in the console, or it is said why not', () => {
    const missing = all
      .filter(({ operationId, pages }) => pages.length === 0 && withoutPage[operationId] === undefined)
      .map(
        ({ operationId, call }) =>
          `${operationId} (${call}): make a page, or give a reason in hub/reference/coverage.ts`,
      );
    expect(missing).toEqual([]);
    const needless = all
      .filter(({ operationId, pages }) => pages.length > 0 && withoutPage[operationId] !== undefined)
      .map(({ operationId, pages }) => `${operationId} has ${pages}: take its reason away`);
    expect(needless).toEqual([]);
  });

  test('is found where it is', () => {
    const pagesOf = (id: string) => all.find(({ operationId }) => operationId === id)?.pages;
    expect(pagesOf('undeleteCluster')).toEqual(['/clusters/{id}/undelete']);
    expect(pagesOf('updateTenant')).toEqual(['/tenants/{id}/edit', '/tenants/{id}/status']);
    expect(pagesOf('listRegionGateways')).toEqual(['/regions/{id}']); // by a file of its own
    const paths = new Set(screens.map(({ path }) => path));
    expect(all.flatMap(({ pages }) => pages).filter((page) => !paths.has(page))).toEqual([]);
  });
});
