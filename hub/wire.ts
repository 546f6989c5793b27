import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import { Loop } from '../contexts/base/loop.ts';
import type { Random } from '../contexts/base/random.ts';
import { LocalRateLimiter } from '../contexts/base/rate-limit/limiter.ts';
import { DynamoStore } from '../contexts/stores/dynamodb.ts';
import { createApp } from './app.ts';
import { isStillValid } from './auth/authenticate.ts';
import { GuessLimits } from './auth/guess-limits.ts';
import { findKeyIn, KeyCache } from './auth/key-cache.ts';
import { LoginLimits } from './auth/login-limits.ts';
import { Oidc } from './auth/oidc.ts';
import { Passwords } from './auth/passwords.ts';
import { removeEnded } from './auth/sessions.ts';
import type { HubConfig } from './config.ts';
import { loggable } from './data/errors.ts';
import { addressOf, deafness } from './db/address.ts';
import { connect, type Database } from './db/client.ts';
import type { SchemaError } from './db/migrate.ts';
import { watchSchema } from './db/schema-watch.ts';
import { leftReadOnly, watchWritable } from './db/writable-watch.ts';
import { EventStreams } from './events/event-streams.ts';
import { FenceWaits } from './fence-waits.ts';
import { Hints } from './hints.ts';
import { removeOldAnswers } from './http/idempotency.ts';
import { createMetrics } from './metrics.ts';
import { RegionStores, type StoreAddress } from './region-stores.ts';
import type { Services } from './services.ts';

export interface Hub extends AsyncDisposable {
  app: ReturnType<typeof createApp>;
  services: Services;
  /** Starts what runs by itself. The database must be at this build's schema. */
  start(): void;
  /** Where it was found to listen: what links begin with unless a public URL is configured. */
  listensAt(url: string): void;
  /** Resolves when somebody has migrated the database beyond this build, with what to say. */
  outdated: Promise<SchemaError>;
  /** From now on it is not ready, and answers all the same, without keeping connections. */
  beginToDrain(): void;
  /** From now on requests are refused, and readiness says why. Those under way go on. */
  beginToStop(): void;
}

/** What a test may exchange. */
export interface Parts {
  clock: Clock;
  random: Random;
  log: Logger;
  openStore?: (address: StoreAddress) => ReturnType<typeof DynamoStore.connect>;
  metricsOfProcess?: boolean;
}

/** Clean-up deletes this many kept answers at a time: a backlog is worked off without a long lock. */
const cleanupBatch = 1_000;

/** Puts a hub together. Nothing is connected before the first request. Disposing of it closes everything it opened. */
export function wireHub(config: HubConfig, parts: Parts): Hub {
  const { clock, random, log } = parts;
  const stop = new AbortController();
  const drain = new AbortController();
  const address = addressOf(config);
  const database: Database = connect(address, {
    applicationName: 'spokecast hub',
    max: config.databaseConnectionsMax,
    statementTimeoutMs: config.requestTimeoutMs,
  });
  const { storeTimeoutMs, gatewayForgetMs, undeleteDays } = config;
  const openStore =
    parts.openStore ??
    (({ endpoint, awsRegion, table }: StoreAddress) =>
      DynamoStore.connect({
        table,
        endpoint: endpoint ?? undefined,
        awsRegion: awsRegion ?? undefined,
        requestTimeoutMs: storeTimeoutMs,
        connectionTimeoutMs: storeTimeoutMs,
        maxSockets: 4,
        attemptsMax: 1,
        ...{ clock, random },
      }));
  const stores = new RegionStores({ open: openStore, log });
  const metrics = createMetrics({ process: parts.metricsOfProcess ?? true });
  let listeningUrl = `http://localhost:${config.port}`;
  const keys = new KeyCache({ find: findKeyIn(database.db), clock, ttlMs: config.keyCacheMs });
  const events = new EventStreams({
    ...{ database, clock, stopping: stop.signal },
    streamsMax: config.eventStreamsMax,
    heartbeatMs: config.eventHeartbeatMs,
    unreadMsMax: config.eventUnreadMs,
    isAllowed: (actor) => isStillValid(actor, { keys, clock }),
    onCount: (streams) => metrics.eventStreams.set(streams),
    onEnd: (reason) => metrics.eventStreamsEnded.inc({ reason }),
    onError: (error) => log.warn({ error: loggable(error) }, 'events could not be read'),
  });
  const hints = new Hints({
    notify: (channels) => database.notify(channels),
    onError: (error) => {
      metrics.hintsFailed.inc();
      log.warn({ error: loggable(error) }, 'nobody was told of a change; polls find it');
    },
  });
  const services: Services = {
    ...{ database, clock, random, log, stores, storeTimeoutMs, gatewayForgetMs, undeleteDays },
    waits: new FenceWaits({
      ...{ database, clock, stopping: stop.signal },
      waitsMax: config.waitsMax,
      onCount: (waits) => metrics.waits.set(waits),
    }),
    environment: config.environment,
    metrics,
    keys,
    ...{ events, hints },
    logins: new LoginLimits({ clock, windowMs: 60_000, failuresMax: config.failedLoginsMax }),
    keyRates: keyRatesOf(config, clock),
    guesses: new GuessLimits({
      ...{ db: database.db, clock },
      ...{ windowMs: 15 * 60_000, failuresMax: config.failedLoginsMax },
    }),
    passwords: new Passwords({
      atOnceMax: config.passwordChecksMax,
      onCheck: (outcome) => metrics.passwordChecks.inc({ outcome }),
    }),
    people: {
      publicUrl: config.publicUrl,
      origin: () => config.publicUrl ?? listeningUrl,
      ...{ sessionIdleMs: config.sessionIdleMs, sessionMs: config.sessionMs },
      linkMs: {
        'set-up': config.setUpLinkMs,
        invitation: config.invitationMs,
        'password-reset': config.passwordResetMs,
        'command-line': 120_000,
      },
    },
    oidc: oidcOf(config, { clock, random }),
    proxyHops: config.proxyHops,
    draining: drain.signal,
    stopping: stop.signal,
  };
  const cleanup = new Loop({
    name: 'idempotency clean-up',
    clock,
    everyMs: 10 * 60_000,
    turn: async () =>
      (await removeOldAnswers(database.db, cleanupBatch, config.idempotencyHours)) === cleanupBatch
        ? 'again'
        : undefined,
    onError: (error) =>
      log.warn({ error: loggable(error) }, 'could not remove old answers of idempotency keys'),
  });
  const endings = new Loop({
    name: 'session clean-up',
    clock,
    everyMs: 10 * 60_000,
    turn: async () => void (await removeEnded(database.db, clock.now())),
    onError: (error) => log.warn({ error: loggable(error) }, 'could not remove sessions that are over'),
  });
  const schema = watchSchema(database, clock, { acceptNewer: config.acceptNewerSchema });
  const writable = watchWritable(database, clock, (connections) => log.warn({ connections }, leftReadOnly));
  const loops = [cleanup, endings, events.loop, schema.loop, writable.loop];
  for (const loop of loops) services.metrics.watch(loop);

  return {
    app: createApp(services, config),
    services,
    start: () => {
      const deaf = deafness(address);
      if (deaf !== undefined) log.warn(deaf);
      for (const loop of loops) loop.start();
    },
    listensAt: (url) => {
      listeningUrl = url;
    },
    outdated: schema.outdated,
    beginToDrain: () => drain.abort(),
    beginToStop: () => stop.abort(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(loops.map((loop) => loop.stop()));
      await stores[Symbol.asyncDispose]();
      await hints[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** Keys that are counted at a time; of more, those that asked longest ago begin anew. */
const countedKeysMax = 10_000;

function keyRatesOf({ keyRequestsMax: limit }: HubConfig, clock: Clock): Services['keyRates'] {
  if (limit === 0) return undefined;
  return {
    limiter: new LocalRateLimiter({ clock, keysMax: countedKeysMax }),
    rate: { limit, windowMs: 60_000 },
  };
}

function oidcOf(config: HubConfig, parts: Pick<Parts, 'clock' | 'random'>): Services['oidc'] {
  const { oidcIssuer: issuer, oidcClientId: clientId, oidcName: name } = config;
  if (issuer === undefined || clientId === undefined) return undefined;
  const { oidcClientSecret: secret, oidcClientSecretFile: file } = config;
  const clientSecret = secret !== undefined ? { value: secret } : file !== undefined ? { file } : undefined;
  return {
    provider: new Oidc({ issuer, clientId, clientSecret, name }, parts),
    rules: { domains: config.oidcDomains ?? [], newPeople: config.oidcNewPeople },
  };
}
