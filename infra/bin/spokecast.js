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
  await import('./mended-driver.ts');
  await import('./spokecast.ts');
}
