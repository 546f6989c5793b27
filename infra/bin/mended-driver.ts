import { registerHooks } from 'node:module';

/**
 * Mends two faults of the `postgres` driver (3.4.9; its issues 1154 and 1208) as it is loaded, because each ends or
 * stops a service when Postgres restarts or fails over:
 *
 * - A statement on a connection that has just closed (the `rollback` of a transaction that the cut broke off is one)
 *   is written to a socket that is no more. That throws where nobody can catch it, and the process ends. Mended, the
 *   statement fails with CONNECTION_CLOSED like those before it.
 * - A connection that closes with something unwritten never writes again, not even when it connects anew: whatever
 *   it is given from then on times out.
 *
 * This has to be imported before anything that imports the driver is even loaded. Another version of the driver is
 * left as it is; then tests/infra/mended-driver.pg.test.ts tells whether this is still needed.
 */
const faults: readonly [broken: string, mended: string][] = [
  [
    'function nextWrite(fn) {\n',
    'function nextWrite(fn) {\n' +
      '    if (socket === null) {\n' +
      '      chunk = nextWriteTimer = null\n' +
      "      error(Errors.connection('CONNECTION_CLOSED', options))\n" +
      '      return true\n' +
      '    }\n',
  ],
  [
    'clearImmediate(nextWriteTimer)\n    socket.',
    'clearImmediate(nextWriteTimer)\n    chunk = nextWriteTimer = null\n    socket.',
  ],
];

export function mended(source: string): string {
  const isKnown = faults.every(([broken]) => source.split(broken).length === 2);
  return isKnown ? faults.reduce((text, [broken, right]) => text.replace(broken, right), source) : source;
}

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.endsWith('/postgres/src/connection.js') || !loaded.source) return loaded;
    return { ...loaded, source: mended(Buffer.from(loaded.source as Uint8Array).toString('utf8')) };
  },
});
