#!/usr/bin/env node
// The way in, in JavaScript that every Node understands: an older one cannot even read the TypeScript behind it.
const [major] = process.versions.node.split('.').map(Number);

if (major < 24) {
  console.error(
    `spokecast needs Node 24 or newer; this is Node ${process.versions.node} (${process.execPath}).\n` +
      'In a checkout, `npx spokecast` and the npm scripts run on the Node 24 that `npm ci` installed.',
  );
  process.exitCode = 78;
} else {
  const { enableCompileCache } = await import('node:module');
  const { existsSync } = await import('node:fs');
  const { join } = await import('node:path');
  // What was compiled once is kept for the next start, which takes half the time. Below the user's own cache and not
  // in the directory for temporary files: whoever can write there could have us run what they like.
  const { XDG_CACHE_HOME, HOME } = process.env;
  const home = XDG_CACHE_HOME || HOME;
  if (home && existsSync(home))
    enableCompileCache(join(...(XDG_CACHE_HOME ? [home] : [home, '.cache']), 'spokecast', 'compiled'));
  await import('./mended-driver.ts');
  await import('./spokecast.ts');
}
