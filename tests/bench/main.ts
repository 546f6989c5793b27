import { parseArgs } from 'node:util';
import { fullSize } from '../hub/load/fill.ts';
import { type ReplicationPart, replicationParts } from './replication-parts.ts';
import { printMachine } from './support/printing.ts';
import type { Backend } from './support/rig.ts';

/**
 * `npm run bench -- [name ...]`: prints figures, each beside a peer or a raw loop measured in the same run. Ratios
 * are what to compare; absolute numbers are of the machine. Nothing here passes or fails but what is checked of the
 * results: a bench that did not do what it says throws.
 */
const flags = {
  clusters: { type: 'string' },
  keys: { type: 'string' },
  tenants: { type: 'string' },
  history: { type: 'string' },
  callers: { type: 'string', default: '1,4,16' },
  plans: { type: 'boolean', default: false },
  contexts: { type: 'string', default: '10000,100000' },
  regions: { type: 'string', default: '3' },
  backend: { type: 'string', default: 'postgres' },
  changes: { type: 'string' },
  rounds: { type: 'string' },
  parts: { type: 'string', default: replicationParts.join() },
  seconds: { type: 'string' },
  flood: { type: 'string' },
  hot: { type: 'string' },
  full: { type: 'boolean', default: false },
  only: { type: 'string', default: '' },
  help: { type: 'boolean', default: false },
} as const;

const { values, positionals: names } = parseArgs({ options: flags, allowPositionals: true });

const benches: Record<string, { what: string; run: () => Promise<void> }> = {
  apply: {
    what: 'a platform file of many clusters with 10 keys each, applied to a whole local wheel, and again unchanged. --clusters 1000',
    run: async () =>
      (await import('./apply.ts')).apply({
        clusters: integer('clusters', values.clusters, 1000),
        singles: 1000,
      }),
  },
  bodies: {
    what: '1 GB through a gateway, up and down, and the memory that takes',
    run: async () => (await import('./bodies.ts')).bodies({ bytes: 1024 ** 3 }),
  },
  cache: {
    what: 'what a hit of the loading cache costs, and a herd at a cold key, beside the caches of others',
    run: async () => (await import('./cache.ts')).cache(),
  },
  hub: {
    what: "the hub's API under mixed reads and writes on a full database, beside bare queries over HTTP; what an event, a notification and a quota cost. --clusters 100000 --keys 1000000 --tenants 300 --history 50000 --callers 1,4,16 --seconds 12; --plans judges the plan of every statement at that size instead, with 6,000 tenants",
    run: async () =>
      (await import('./hub.ts')).hub({
        size: {
          tenants: integer('tenants', values.tenants, values.plans ? 6000 : fullSize.tenants),
          clusters: integer('clusters', values.clusters, fullSize.clusters),
          keys: integer('keys', values.keys, fullSize.keys),
          history: integer('history', values.history, fullSize.history),
        },
        concurrencies: integers('callers', values.callers),
        seconds: integer('seconds', values.seconds, 12),
        plans: values.plans,
      }),
  },
  gateway: {
    what: '/v1/authenticate on one core beside node:http, Hono, HAProxy and nginx (needs wrk, haproxy, nginx, libnginx-mod-http-lua, nghttp2-client; bun if it is to take part). --rounds 5 --seconds 5',
    run: async () => (await import('./gateway.ts')).gateway({ rounds: rounds(), seconds: seconds() }),
  },
  modes: {
    what: 'what workers, the access log, forward-auth and TLS cost, beside the gateway as it is (needs wrk; openssl for TLS). --rounds 5 --seconds 5',
    run: async () => (await import('./modes.ts')).modes({ rounds: rounds(), seconds: seconds() }),
  },
  forwarding: {
    what: 'forwarded requests on one core beside nginx proxy_pass, an undici relay and http-proxy (needs wrk, nginx; http-proxy if it is to take part). --rounds 5 --seconds 5',
    run: async () => (await import('./forwarding.ts')).forwarding({ rounds: rounds(), seconds: seconds() }),
  },
  flood: {
    what: 'made-up and malformed keys, big headers and held connections, beside known keys. --seconds 10 --flood 15000 --hot 10000 --full --only addresses (needs wrk, nginx, nghttp2-client)',
    run: async () =>
      (await import('./flood.ts')).flood({
        seconds: integer('seconds', values.seconds, 10),
        floodPerSecond: integer('flood', values.flood, 15_000),
        hotPerSecond: integer('hot', values.hot, 10_000),
        full: values.full,
        only: values.only,
      }),
  },
  propagation: {
    what: 'commit to gateway on a whole local wheel, beside a bare notify-put-poll loop. --changes 1000',
    run: async () =>
      (await import('./propagation.ts')).propagation({ changes: integer('changes', values.changes, 1000) }),
  },
  replication: {
    what: `sweeps, seeding, throughput and latency at each size. --contexts 10000,100000,1000000 --changes 300 --rounds 3 --backend postgres|redis --parts ${replicationParts.join()} (beside unchanged sweeps; none: them alone)`,
    run: async () =>
      (await import('./replication.ts')).replication({
        contexts: integers('contexts', values.contexts),
        backend: backend(),
        seedMax: 20_000,
        burst: 5000,
        changes: integer('changes', values.changes, 300),
        rounds: integer('rounds', values.rounds, 3),
        parts: parts(),
      }),
  },
  bulkheads: {
    what: 'what a region in trouble costs the others. --regions 3,50 --changes 2000 --rounds 2 --backend postgres|redis',
    run: async () =>
      (await import('./bulkheads.ts')).bulkheads({
        regions: integers('regions', values.regions),
        backend: backend(),
        changes: integer('changes', values.changes, 2000),
        changesPerSecond: 100,
        rounds: integer('rounds', values.rounds, 2),
      }),
  },
  boot: {
    what: 'a gateway without hub or store, from the start of its process to ready over 100,000 contexts',
    run: async () => (await import('./boot.ts')).boot({ contexts: 100_000, rounds: 3 }),
  },
  warm: {
    what: 'a gateway that reads its whole region of 100,000 contexts before it is ready, beside a bare loop. --rounds 3',
    run: async () =>
      (await import('./warm.ts')).warm({ contexts: 100_000, rounds: integer('rounds', values.rounds, 3) }),
  },
};

const unknown = names.filter((name) => !(name in benches));
if (unknown.length > 0 || values.help) {
  console.log(
    `npm run bench -- [name ...]\n${Object.entries(benches)
      .map(([name, { what }]) => `  ${name}: ${what}`)
      .join('\n')}`,
  );
  process.exit(unknown.length > 0 ? 64 : 0);
}
let running = 'nothing';
endWithAWord();
printMachine();
for (const name of names.length > 0 ? names : Object.keys(benches)) {
  console.log(`\n# ${name}: ${benches[name]!.what}`);
  running = name;
  await benches[name]!.run();
  running = 'nothing';
}

/**
 * No bench ends without saying so: neither by a signal, nor because nothing is left that it could wait for, which
 * Node takes for a reason to exit. What it had started is ended by the supervisor's watchdog.
 */
function endWithAWord(): void {
  for (const [signal, number] of [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const) {
    process.once(signal, () => {
      console.error(`\nbench ${running} was ended by ${signal}; its figures are not complete`);
      running = 'nothing';
      process.exit(128 + number);
    });
  }
  process.once('exit', (code) => {
    if (running === 'nothing') return;
    console.error(
      `\nbench ${running} has not come to its end (exit code ${code || 70}); its figures are not complete`,
    );
    if (code === 0) process.exitCode = 70;
  });
}

function rounds(): number {
  return integer('rounds', values.rounds, 5);
}

function seconds(): number {
  return integer('seconds', values.seconds, 5);
}

function backend(): Backend {
  if (values.backend === 'postgres' || values.backend === 'redis') return values.backend;
  throw new Error(`--backend is postgres or redis, not ${values.backend}`);
}

function parts(): ReplicationPart[] {
  if (values.parts === 'none') return [];
  return values.parts.split(',').map((part) => {
    const known = replicationParts.find((one) => one === part);
    if (known) return known;
    throw new Error(`--parts are of ${replicationParts.join()}, or none; not ${part}`);
  });
}

function integers(name: string, text: string): number[] {
  return text.split(',').map((part) => integer(name, part, 0));
}

function integer(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new Error(`--${name} takes whole numbers above 0, not ${text}`);
}
