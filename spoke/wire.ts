import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import { Loop } from '../contexts/base/loop.ts';
import type { Random } from '../contexts/base/random.ts';
import { checkOwner, type Identity, type Store, StoreError } from '../contexts/store.ts';
import { withdrawalOf } from './answers.ts';
import { AppliedFeed } from './applied.ts';
import { Authenticator } from './authenticate.ts';
import { LoadingCache } from './cache/cache.ts';
import { type CacheSettings, defaultCacheSettings } from './cache/settings.ts';
import type { GatewayConfig } from './config.ts';
import { FeedTail } from './feed-tail.ts';
import { certificateOf, followCertificate } from './follow-certificate.ts';
import { Forwarder } from './forward/forwarder.ts';
import { forwardSettingsOf } from './forward/settings.ts';
import { createGatewayServer } from './http.ts';
import { GatewayMetrics } from './metrics.ts';
import { type PreparedContexts, prepare } from './prepared.ts';
import { type Readiness, readinessOf } from './readiness.ts';
import { StatusWriter } from './status.ts';

/** What is under way is asked so often whether its key is still good: a revocation ends it within a second or two. */
const reviewEveryMs = 1_000;

export interface GatewayParts {
  config: GatewayConfig;
  /** The region's store. The gateway owns it from here on. */
  store: Store;
  clock: Clock;
  random: Random;
  log: Logger;
  build: string;
  /** Cache settings that no option names. */
  cacheSettings?: Partial<CacheSettings>;
}

/**
 * One gateway over any store, clock and randomness.
 *
 * It is *built*, then `start`ed (its loops run, and look-ups are answered as soon as the tail has pinned the
 * table), optionally `listen`ing, and `stop`ped: in order, requests under way first, the store last.
 */
export class Gateway implements AsyncDisposable {
  readonly id: string;
  readonly cache: LoadingCache<PreparedContexts>;
  readonly tail: FeedTail;
  readonly authenticator: Authenticator;
  readonly metrics = new GatewayMetrics();
  /**
   * Resolves with the identity of the table when the first one was read and is ours; rejects with StoreError
   * `STORE_FOREIGN` when it is another's. A store that cannot be reached leaves it pending.
   */
  readonly identified: Promise<Identity>;
  readonly #parts: GatewayParts;
  readonly #forwarder: Forwarder;
  readonly #status: StatusWriter;
  readonly #review: Loop;
  readonly #certificate: Loop | undefined;
  readonly #server: Server;
  #stopping: Promise<void> | undefined;
  #requests = 0;

  constructor(parts: GatewayParts) {
    const { config, store, clock, random, log, build } = parts;
    this.#parts = parts;
    this.id = `gw_${Buffer.from(random.bytes(12)).toString('hex')}`;
    const identified = Promise.withResolvers<Identity>();
    this.identified = identified.promise;
    this.identified.catch(() => {}); // told to whoever asks; nobody has to

    const ownership = (identity: Identity) => {
      try {
        checkOwner(identity, { environment: config.environment, region: config.region });
        return undefined;
      } catch (error) {
        if (error instanceof StoreError) return error;
        throw error;
      }
    };
    const owns = (identity: Identity) => ownership(identity) === undefined;
    const counted = this.metrics.cacheEvents();
    this.cache = new LoadingCache<PreparedContexts>({
      settings: { ...cacheSettingsOf(config), ...parts.cacheSettings },
      store,
      clock,
      random,
      prepare,
      owns,
      events: {
        ...counted,
        undecodable: (ref, reason) => {
          counted.undecodable(ref, reason);
          log.warn({ ref, reason }, 'an item of the store cannot be read; the last good one stays');
        },
        storeFailed: (error) => {
          counted.storeFailed(error);
          if (!(error instanceof StoreError)) log.error({ err: error }, 'a fill failed by a mistake of ours');
        },
        // Without any identity there is nothing to pin anew: absences count as no evidence until it is back.
        otherTable: (identity) => identity !== undefined && this.tail.recheck(),
      },
    });
    const applied = new AppliedFeed(this.cache);
    const report = new Reporter(log, this.metrics);
    this.tail = new FeedTail({
      store,
      clock,
      random,
      listener: applied,
      pollMs: config.feedPollMs,
      readTimeoutMs: config.storeTimeoutMs,
      owns,
      onIdentity: (identity) => {
        const foreign = ownership(identity);
        if (foreign) {
          log.error({ reason: foreign.message }, 'the table is not ours');
          identified.reject(foreign);
        } else identified.resolve(identity);
      },
      onStep: (step) => report.stepped(step),
      onError: (error) => report.storeFailed('feed', error),
    });
    this.#status = new StatusWriter({
      ...{ store, clock, random, id: this.id, region: config.region, build },
      everyMs: config.statusEveryMs,
      soonMs: config.statusSoonMs,
      timeoutMs: config.storeTimeoutMs,
      position: () => {
        const { watermark, feedIncarnation } = this.tail;
        if (watermark === undefined || feedIncarnation === undefined) return undefined;
        return applied.inForce({ incarnation: feedIncarnation, number: watermark });
      },
      look: () => ({
        cachedContexts: this.cache.stats().entries,
        degraded: this.readiness().status === 'degraded',
      }),
      onError: (error) => report.storeFailed('status', error),
    });
    this.authenticator = new Authenticator({ cache: this.cache, clock });
    this.#forwarder = new Forwarder(forwardSettingsOf(config), {
      clock,
      random,
      events: {
        retried: (failure) => this.metrics.retried(failure),
        upstreamOut: (origin, failure) => {
          this.metrics.upstreamOut(failure);
          log.warn({ origin, failure }, 'an upstream fails again and again; it is left alone for a while');
        },
      },
    });
    this.#review = new Loop({
      name: 'review',
      clock,
      everyMs: reviewEveryMs,
      turn: async () =>
        this.#forwarder.review((key) => {
          const decision = this.authenticator.reconsider(key);
          return decision instanceof Promise ? undefined : withdrawalOf(decision);
        }),
      onError: (error) =>
        log.error({ err: error }, 'reviewing what is under way failed by a mistake of ours'),
    });
    const certificate = certificateOf(config);
    this.#server = createGatewayServer(
      {
        authenticator: this.authenticator,
        forwarder: this.#forwarder,
        metrics: this.metrics,
        region: config.region,
        clock,
        log,
        readiness: () => this.readiness(),
      },
      {
        connectionsMax: config.connectionsMax,
        headersTimeoutMs: 15_000,
        keepAliveMs: config.keepAliveMs,
        tls: certificate?.options,
      },
    );
    if (certificate) {
      const server = this.#server as TlsServer;
      const { metrics } = this;
      this.#certificate = followCertificate({ certificate, server, metrics, clock, log }, config.tlsReloadMs);
    }
    this.#countRequests();
    this.metrics.watch({
      cache: this.cache,
      tail: this.tail,
      readiness: () => this.readiness(),
      forwarder: this.#forwarder,
      loopAgesMs: () => ({
        'feed-tail': this.tail.ageMs,
        'gateway-status': this.#status.ageMs,
        'suspect-walk': this.cache.stats().walkAgeMs,
        review: this.#review.ageMs(),
        ...(this.#certificate ? { certificate: this.#certificate.ageMs() } : {}),
      }),
    });
  }

  readiness(): Readiness {
    return readinessOf({ cache: this.cache, tail: this.tail, stopping: this.#stopping !== undefined });
  }

  /** Starts the loops. Returns itself. */
  start(): this {
    this.tail.start();
    this.#status.start();
    this.#review.start();
    this.#certificate?.start();
    return this;
  }

  /** Listens as configured, and returns the URL under which this machine reaches it. */
  async listen(): Promise<string> {
    const { host, port } = this.#parts.config;
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
    const address = this.#server.address() as AddressInfo;
    const reachable =
      address.address === '0.0.0.0' || address.address === '::' ? '127.0.0.1' : address.address;
    const scheme = this.#certificate ? 'https' : 'http';
    return `${scheme}://${address.family === 'IPv6' && reachable !== '127.0.0.1' ? `[${reachable}]` : reachable}:${address.port}`;
  }

  /** Takes no more connections, lets requests under way end (within `shutdownMs`), then ends loops and store. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    await this.#closeServer();
    await this.tail.stop();
    await this.#status.leave();
    await this.#review.stop();
    await this.#certificate?.stop();
    await this.cache.stop();
    await this.#forwarder[Symbol.asyncDispose]();
    await this.#parts.store[Symbol.asyncDispose]();
  }

  async #closeServer(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    if (this.#requests === 0) this.#server.closeAllConnections();
    const patience = new AbortController();
    await Promise.race([closed, this.#parts.clock.sleep(this.#parts.config.shutdownMs, patience.signal)]);
    patience.abort();
    this.#forwarder.cutAll(); // tunnels are no connections of the server's any more
    this.#server.closeAllConnections();
    await closed;
  }

  /** Looks at the files of the certificate now (SIGHUP), and not only when it is time. */
  reloadCertificate(): void {
    this.#certificate?.wake();
  }

  /** Knows when the last request under way has ended: connections kept alive for more have no more use then. */
  #countRequests(): void {
    this.#server.on('request', (_incoming, outgoing) => {
      this.#requests += 1;
      if (this.#stopping) outgoing.setHeader('connection', 'close');
      outgoing.once('close', () => {
        this.#requests -= 1;
        if (this.#stopping && this.#requests === 0) this.#server.closeAllConnections();
      });
    });
  }
}

/** Counts every failure and step, and logs those that are news: the first failure of a row, a gap. */
class Reporter {
  readonly #log: Logger;
  readonly #metrics: GatewayMetrics;
  #failing = false;

  constructor(log: Logger, metrics: GatewayMetrics) {
    this.#log = log;
    this.#metrics = metrics;
  }

  stepped(step: Parameters<GatewayMetrics['stepped']>[0]): void {
    this.#metrics.stepped(step);
    if (this.#failing) this.#log.info('the store answers again');
    this.#failing = false;
    if (step === 'gap' || step === 'went-back' || step === 'new-incarnation') {
      this.#log.warn({ step }, 'announcements may have been missed; everything held is being verified');
    }
  }

  storeFailed(part: 'feed' | 'status', error: unknown): void {
    this.#metrics.storeFailed(part, error);
    if (this.#failing) return;
    this.#failing = true;
    const reason = error instanceof Error ? error.message : String(error);
    this.#log.warn({ part, reason }, 'the store does not answer; going on with what is held');
  }
}

function cacheSettingsOf(config: GatewayConfig): CacheSettings {
  return {
    ...defaultCacheSettings,
    entriesMax: config.cacheEntriesMax,
    bytesMax: config.cacheBytesMax,
    negativesMax: config.cacheNegativesMax,
    refreshMs: config.cacheRefreshMs,
    freshMs: config.cacheFreshMs,
    absentMs: config.cacheAbsentMs,
    unknownPerSecond: config.unknownPerSecond,
    unknownBurst: config.unknownBurst,
    waitMs: config.fillWaitMs,
    readTimeoutMs: config.storeTimeoutMs,
  };
}
