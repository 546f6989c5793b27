import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { queueNames } from '../../publisher/jobs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { HubAndSpokes, until } from './support/hub-and-spokes.ts';

const west = 'eu-west-1';

const often = { SPOKECAST_SWEEP_EVERY_MS: '1000', SPOKECAST_HEARTBEAT_EVERY_MS: '300' };

export interface AgesBackend {
  redisUrl?: string;
  /** What stands before the queues' backend, where that is not the hub's Postgres. */
  proxy?: TcpProxy;
  /** Removes what the queue's storage knows of its schedulers, behind everybody's back; says how much it was. */
  loseScheduler(wheel: HubAndSpokes, queue: string): Promise<number>;
}

interface App {
  app: { request(path: string): Response | Promise<Response> };
}

/** One number as it is scraped; undefined where it is not shown. */
async function scrape({ app }: App, name: string, labels: Record<string, string> = {}) {
  return numberIn(await (await app.request('/metrics')).text(), name, labels);
}

function numberIn(text: string, name: string, labels: Record<string, string>): number | undefined {
  const line = text
    .split('\n')
    .find(
      (one) =>
        (one.startsWith(`${name}{`) || one.startsWith(`${name} `)) &&
        Object.entries(labels).every(([label, value]) => one.includes(`${label}="${value}"`)),
    );
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ')));
}

/** Every loop tells its age, and what stops is started again or seen: on one queue backend. */
export function describeAges(name: string, backend: () => Promise<AgesBackend>): void {
  describe(`ages with queues in ${name}`, () => {
    let parts: AgesBackend;
    let wheel: HubAndSpokes;
    let postgres: TcpProxy;
    beforeAll(async () => {
      parts = await backend();
      wheel = await HubAndSpokes.start({
        redisUrl: parts.redisUrl,
        regions: [west],
        publishers: 0,
        gateway: { SPOKECAST_FEED_POLL_MS: '20' },
      });
      const url = new URL(wheel.databaseUrl);
      postgres = await new TcpProxy(Number(url.port)).start();
      url.port = String(postgres.port);
      await wheel.addPublisher({ DATABASE_URL: url.href, ...often });
      await wheel.ready();
    });
    afterAll(async () => {
      postgres?.thaw();
      await wheel?.[Symbol.asyncDispose]();
      await postgres?.[Symbol.asyncDispose]();
      await parts?.proxy?.[Symbol.asyncDispose]();
    });

    const publisher = () => wheel.publishers[0]!;
    const completed = async () => {
      const [row] = await wheel.sql`
        select count(*)::int as n from sweeps where status = 'completed' and cause = 'scheduled'`;
      return row!.n as number;
    };
    const gatewayAge = async (metric: string) => {
      const { url } = wheel.spoke(west).gateways[0]!;
      return numberIn(await (await fetch(`${url}/metrics`)).text(), metric, { region: west });
    };

    test('[law 3] a scheduler whose key was removed from the queue is made again, and sweeps go on', async () => {
      await until(async () => (await completed()) >= 2, 'sweeps are scheduled');
      const lost = await parts.loseScheduler(wheel, queueNames.sweep('test', west));
      expect(lost).toBeGreaterThan(0);
      const before = await completed();
      await until(async () => (await completed()) >= before + 4, 'sweeps go on');
      expect(await scrape(publisher(), 'spokecast_schedules_restored_total', { region: west })).toBe(1);
      expect(await scrape(publisher(), 'spokecast_scheduler_age_seconds', { region: west })).toBeLessThan(3);
      expect(await scrape(publisher(), 'spokecast_sweep_age_seconds', { region: west })).toBeLessThan(5);
    });

    test('[law 6] the heartbeat tells the whole way when nothing else changes, and its age grows when the way is broken', async () => {
      await until(
        async () => ((await gatewayAge('spokecast_heartbeat_lag_seconds_count')) ?? 0) >= 3,
        'three heartbeats went the whole way',
      );
      expect(await gatewayAge('spokecast_heartbeat_age_seconds')).toBeLessThan(2);
      const clockAhead = (await scrape(publisher(), 'spokecast_clock_ahead_seconds'))!;
      expect(Math.abs(clockAhead), 'one machine, one clock').toBeLessThan(1);
      const lag = (await gatewayAge('spokecast_heartbeat_lag_seconds_sum'))!;
      expect(lag / (await gatewayAge('spokecast_heartbeat_lag_seconds_count'))!).toBeLessThan(1);
      const stored = () => scrape(publisher(), 'spokecast_heartbeat_stored_age_seconds', { region: west });
      expect(await stored()).toBeLessThan(2);

      const dropped = wheel.spoke(west).proxy.use({ operation: 'PutItem' }, async () => 'drop');
      await until(async () => (await gatewayAge('spokecast_heartbeat_age_seconds'))! > 2.5, 'it ages');
      expect(await stored()).toBeGreaterThan(2);
      expect(await gatewayAge('spokecast_feed_age_seconds'), 'the feed itself is well').toBeLessThan(1);
      expect(dropped.wasHit()).toBe(true);
      dropped.end();
      await until(
        async () => (await gatewayAge('spokecast_heartbeat_age_seconds'))! < 1,
        'it is young again',
      );
    });

    test('two publishers make no more heartbeats than one', async () => {
      const second = await wheel.addPublisher(often);
      const revision = async () => {
        const [row] = await wheel.sql`select beat_at from heartbeats where region = ${west}`;
        return (row!.beat_at as Date).getTime();
      };
      const seen = new Set<number>();
      const begun = await revision();
      await until(async () => {
        seen.add(await revision());
        return seen.size >= 8;
      }, 'heartbeats are made');
      const beats = [...seen].sort((a, b) => a - b);
      expect(beats.at(-1)! - begun).toBeGreaterThanOrEqual(7 * 0.9 * 300 - 5);
      await wheel.removePublisher(second);
    });

    test('the age of a queue is that of its oldest job, waiting or being tried again', async () => {
      const queueAge = () => scrape(publisher(), 'spokecast_refresh_oldest_age_seconds', { region: west });
      await until(async () => ((await queueAge()) ?? 9) < 0.5, 'the queue is young');
      const failing = wheel.spoke(west).proxy.use({ operation: 'PutItem', times: 3 }, async () => 'drop');
      await using queue = await wheel.refreshQueue(west);
      await queue.pause();
      await until(async () => (await queueAge())! > 1.5, 'jobs wait');
      expect(
        await scrape(publisher(), 'spokecast_refresh_jobs_unfinished', { region: west }),
      ).toBeGreaterThan(0);
      failing.end();
      await queue.resume();
      await until(async () => (await queueAge())! < 1, 'they are done');
    });

    /** Ages as one scrape tells them, by a name of the test's own. */
    const ages = async () => {
      const text = await (await publisher().app.request('/metrics')).text();
      const age = (metric: string, labels: Record<string, string>) => numberIn(text, metric, labels)!;
      return {
        relay: age('spokecast_loop_age_seconds', { loop: 'relay' }),
        watchdog: age('spokecast_loop_age_seconds', { loop: 'watchdog' }),
        heartbeat: age('spokecast_loop_age_seconds', { loop: 'heartbeat' }),
        outbox: age('spokecast_outbox_oldest_age_seconds', {}),
        sweep: age('spokecast_sweep_age_seconds', { region: west }),
        scheduler: age('spokecast_scheduler_age_seconds', { region: west }),
        queue: age('spokecast_refresh_oldest_age_seconds', { region: west }),
        collector: age('spokecast_collector_age_seconds', { region: west }),
        stored: age('spokecast_heartbeat_stored_age_seconds', { region: west }),
      };
    };
    type Age = keyof Awaited<ReturnType<typeof ages>>;

    /** Freezes it: each scrape is answered, and all these ages grow; thawed, they are young again. */
    async function expectAgesGrow(frozen: TcpProxy, which: readonly Age[]): Promise<void> {
      let seen = await ages();
      await until(
        async () => {
          seen = await ages();
          return seen.outbox < 1;
        },
        () => `all is well before: ${JSON.stringify(seen)}`,
        20_000,
      );
      frozen.freeze();
      const begunAt = performance.now();
      await ages();
      expect(performance.now() - begunAt, 'the scrape is bounded').toBeLessThan(4000);
      const become = (what: string, is: (age: number) => boolean) =>
        until(
          async () => {
            seen = await ages();
            return which.every((name) => is(seen[name]));
          },
          () => `${what}: ${JSON.stringify(seen)}`,
          20_000,
        );
      await become('every age grows', (age) => age > 4);
      expect((await publisher().app.request('/healthz')).status).toBe(200);
      frozen.thaw();
      await become('and is young again', (age) => age < 4);
    }

    test('[law 8] with Postgres frozen a scrape is answered, and every age grows', async () => {
      const loops: Age[] = ['relay', 'watchdog', 'heartbeat', 'collector'];
      await expectAgesGrow(postgres, [...loops, 'outbox', 'sweep', 'scheduler', 'stored']);
    });

    test('[law 8] and with the queues frozen', async () => {
      // In Postgres the queues are frozen by the same proxy, and their own ages have to tell as well.
      const of: Age[] = ['relay', 'watchdog', 'outbox', 'scheduler', 'queue', 'stored'];
      await expectAgesGrow(parts.proxy ?? postgres, of);
    });
  });
}
