/**
 * `npm run bench -- [name ...]`: prints figures, each beside a peer or a raw loop measured in the same run. Ratios
 * are what to compare; absolute numbers are of the machine. Nothing here passes or fails.
 */
const benches: Record<string, { what: string; run: () => Promise<void> }> = {
  cache: {
    what: 'what a hit of the loading cache costs, and a herd at a cold key, beside the caches of others',
    run: async () => (await import('./cache.ts')).cache(),
  },
  gateway: {
    what: '/v1/authenticate on one core beside node:http, Hono, HAProxy and nginx (needs wrk, haproxy, nginx, libnginx-mod-http-lua, nghttp2-client)',
    run: async () => (await import('./gateway.ts')).gateway({ rounds: 5, seconds: 5 }),
  },
  propagation: {
    what: 'commit to gateway over 1,000 changes on a whole local wheel, beside a bare notify-put-poll loop',
    run: async () => (await import('./propagation.ts')).propagation({ changes: 1000 }),
  },
};

const names = process.argv.slice(2);
const unknown = names.filter((name) => !(name in benches));
if (unknown.length > 0 || names.includes('--help')) {
  console.log(
    `npm run bench -- [name ...]\n${Object.entries(benches)
      .map(([name, { what }]) => `  ${name}: ${what}`)
      .join('\n')}`,
  );
  process.exit(unknown.length > 0 ? 64 : 0);
}
for (const name of names.length > 0 ? names : Object.keys(benches)) {
  console.log(`\n# ${name}: ${benches[name]!.what}`);
  await benches[name]!.run();
}
