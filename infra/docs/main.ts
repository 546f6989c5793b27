import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pages } from './pages.ts';

/** `npm run docs:generate`: writes every generated page. */
for (const [path, page] of Object.entries(pages)) {
  const file = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, await page());
  console.log(`wrote ${path}`);
}
