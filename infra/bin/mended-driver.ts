import nodeModule from 'node:module';

/**
 * Mends faults of the `postgres` driver (3.4.9; its issues 1154 and 1208) as it is loaded, because each ends or
 * stops a service, or loses what it was told is committed, when Postgres restarts or fails over:
 *
 * - A statement on a connection that has just closed (the `rollback` of a transaction that the cut broke off is one)
 *   is written to a socket that is no more. That throws where nobody can catch it, and the process ends. Mended, the
 *   statement fails with CONNECTION_CLOSED like those before it.
 * - A connection that closes with something unwritten never writes again, not even when it connects anew: whatever
 *   it is given from then on times out.
 * - A transaction that was cut off, or a reserved session, goes on with its statements on whatever connection takes
 *   the place of its own. They land in the transaction of somebody else, who is told that it was committed although
 *   they rolled it back, or who waits for ever for an answer that they were given. Mended, each fails.
 * - A connection that closes while the driver asks for types on it rejects a promise that nobody holds, and the
 *   process ends.
 * - Idle connections are taken in turn, so that all that were ever needed at once are used by turns ever after. Each
 *   is a process of its own at Postgres, which has to load the catalogue and the triggers' plans before its first
 *   change (ADR 0051). Mended, the one that was used last is taken: few are needed then, and those know their plans.
 *
 * This has to be imported before anything that imports the driver is even loaded. Another version of the driver is
 * left as it is; then tests/infra/mended-driver.pg.test.ts tells whether this is still needed.
 */
type Fault = readonly [broken: string, mended: string];

const faults: Readonly<Record<string, readonly Fault[]>> = {
  'connection.js': [
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
    ['return fetchArrayTypes()\n', 'return fetchArrayTypes().catch(() => {})\n'],
  ],
  'index.js': [
    [
      ', open = Queue()\n',
      ', open = ((xs = []) => ({\n' +
        '          get length() { return xs.length },\n' +
        '          remove: x => xs.includes(x) ? (xs.splice(xs.indexOf(x), 1), x) : null,\n' +
        '          push: x => (xs.push(x), x),\n' +
        '          shift: () => xs.pop()\n' +
        '        }))()\n',
    ],
    [
      'let savepoints = 0\n      , connection\n',
      'let savepoints = 0\n      , cut = null\n      , connection\n',
    ],
    [
      'new Promise((_, reject) => connection.onclose = reject)',
      'new Promise((_, reject) => connection.onclose = error => {\n' +
        '          cut = error\n' +
        '          while (queries.length) queries.shift().reject(error)\n' +
        '          reject(error)\n' +
        '        })',
    ],
    [
      'q.catch(e => uncaughtError || (uncaughtError = e))\n',
      'q.catch(e => uncaughtError || (uncaughtError = e))\n        if (cut) return q.reject(cut)\n',
    ],
    [
      'c.reserved.release = true\n',
      'c.reserved.release = true\n' +
        '    let cut = null\n' +
        '    c.onclose = error => {\n' +
        '      cut = error\n' +
        '      while (queue.length) queue.shift().reject(error)\n' +
        '    }\n',
    ],
    [
      'sql.release = () => {\n      c.reserved = null\n',
      'sql.release = () => {\n      if (cut) return\n      c.onclose = null\n      c.reserved = null\n',
    ],
    [
      'function handler(q) {\n      c.queue === full\n        ? queue.push(q)',
      'function handler(q) {\n      if (cut) return q.reject(cut)\n      c.queue === full\n        ? queue.push(q)',
    ],
  ],
};

/** The text of one of the driver's files, `connection.js` or `index.js`, without its faults; or as it is. */
export function mended(file: string, source: string): string {
  const known = faults[file] ?? [];
  if (!known.every(([broken]) => source.split(broken).length === 2)) return source;
  return known.reduce((text, [broken, right]) => text.replace(broken, right), source);
}

// Bun has no such hooks; a gateway, which has no Postgres, runs there without.
nodeModule.registerHooks?.({
  load(url, context, next) {
    const loaded = next(url, context);
    const file = /\/postgres\/src\/(connection\.js|index\.js)$/.exec(url)?.[1];
    if (!file || !loaded.source) return loaded;
    return { ...loaded, source: mended(file, Buffer.from(loaded.source as Uint8Array).toString('utf8')) };
  },
});
