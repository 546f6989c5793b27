import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { pages } from '../../infra/docs/pages.ts';

test.each(Object.entries(pages))('%s says what the code says', async (path, page) => {
  const file = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  expect(readFileSync(file, 'utf8'), 'run `npm run docs:generate` and commit the page').toBe(await page());
});
