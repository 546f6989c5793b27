import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Clock } from '../contexts/base/clock.ts';
import type { Logger } from '../contexts/base/log.ts';
import type { Loop } from '../contexts/base/loop.ts';
import type { Random } from '../contexts/base/random.ts';
import { type FeedHead, type Identity, type Store, StoreError } from '../contexts/store.ts';
import { accessLogOf } from './access-log.ts';
import { AppliedFeed } from './applied.ts';
import { Authenticator } from './authenticate.ts';
import { LoadingCache } from './cache/cache.ts';
import type { CacheSettings } from './cache/settings.ts';
import { cacheSettingsOf } from './cache-settings.ts';
import { type Census, censusOf } from './census.ts';
import { ClientAddresses } from './client-address.ts';
import type { GatewayConfig } from './config.ts';
import { backlogMax, guardDoor } from './door.ts';
import { explaining } from './explain/explainer.ts';
import { feedListenerOf } from './feed-listener.ts';
import { FeedTail } from './feed-tail.ts';
import { certificateOf, followCertificate } from './follow-certificate.ts';
import { Forwarder } from './forward/forwarder.ts';
import { forwardSettingsOf } from './forward/settings.ts';
import { forwardEventsOf } from './forward-events.ts';
import { Heartbeat } from './heartbeat.ts';
import { createGatewayServer } from './http.ts';
import { type KeyUseWriter, keyUsesOf } from './key-use-writer.ts';
import { GatewayMetrics } from './metrics.ts';
import { ownershipOf } from './ownership.ts';
import { type PreparedContexts, prepare } from './prepared.ts';
import { limiterOf } from './rate-limit/limiter-of.ts';
import { type Readiness, readinessOf } from './readiness.ts';
import { Reporter } from './reporter.ts';
import { reviewOf } from './review.ts';
import { closeServer, urlOf } from './server-life.ts';
import { Rehearsal, type Shadow } from './snapshot/rehearsal.ts';
import { answerTo } from './snapshot/shadow.ts';
import type { SnapshotShelf } from './snapshot/shelf.ts';
import { Snapshots } from './snapshot/snapshots.ts';
import { gatewayId, StatusWriter } from './status.ts';
import { Warmer } from './warm.ts';
import type { GroupOfWorkers, WorkerState } from './workers/messages.ts';

export interface GatewayParts {
  config: GatewayConfig;
  /** The region's store. The gateway owns it from here on. */
  store: Store;
  clock: Clock;
  random: Random;
  log: Logger;
  /** For the access log, if it is on; else `log`. */
  accessLog?: Logger;
  build: string;
  /** Where what is held is kept for the next process. The gateway owns it from here on. */
  shelf?: SnapshotShelf | undefined;
  /** Starts a second process of this gateway, which boots from the snapshot alone. Absent: nothing is rehearsed. */
  startShadow?: ((signal: AbortSignal) => Promise<Shadow>) | undefined;
  /** Set in one of several workers: the group that speaks for them all. */
  group?: GroupOfWorkers | undefined;
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
  readonly metrics: GatewayMetrics;
  readonly heartbeat: Heartbeat;
  /**
   * Resolves with the identity of the table when the first one was read and is ours; rejects with StoreError
   * `STORE_FOREIGN` when it is another's. A store that cannot be reached leaves it pending.
   */
  readonly identified: Promise<Identity>;
  /** Resolves when callers may be answered: at once, but for a gateway that boots from a snapshot. */
  booted: Promise<void> = Promise.resolve();
  readonly snapshots: Snapshots | undefined;
  readonly #rehearsal: Rehearsal | undefined;
  readonly #warmer: Warmer | undefined;
  readonly #applied: AppliedFeed;
  readonly #parts: GatewayParts;
  readonly #forwarder: Forwarder;
  readonly #status: StatusWriter;
  readonly #keyUses: KeyUseWriter | undefined;
  readonly #census: Census | undefined;
  readonly #review: Loop;
  readonly #certificate: Loop | undefined;
  readonly #server: Server;
  #stopping: Promise<void> | undefined;
  #closed = false;

  constructor(parts: GatewayParts) {
    const { config, store, clock, random, log, build } = parts;
    this.#parts = parts;
    this.metrics = new GatewayMetrics(config.region);
    this.id = gatewayId(random);
    const identified = Promise.withResolvers<Identity>();
    this.identified = identified.promise;
    this.identified.catch(() => {}); // told to whoever asks; nobody has to

    const ownership = ownershipOf(config);
    const owns = (identity: Identity) => ownership(identity) === undefined;
    const counted = this.metrics.cacheEvents();
    const mayBegin = () => this.cache.stats().state === 'open';
    this.#census = censusOf(config, { store, clock, random, log, mayBegin });
    this.cache = new LoadingCache<PreparedContexts>({
      known: this.#census?.known,
      settings: { ...cacheSettingsOf(config), ...parts.cacheSettings },
      store,
      clock,
      random,
      prepare: { ...prepare, heartbeat: (content) => this.heartbeat.prepare(content) },
      owns,
      bodies: parts.shelf ? 'kept' : 'dropped',
      events: {
        ...counted,
        changed: (change) => {
          this.snapshots?.changed(change);
          parts.group?.changed(change);
        },
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
    this.heartbeat = new Heartbeat({
      clock,
      region: config.region,
      get: (key) => this.cache.get('heartbeat', key, 'reference'),
      onArrived: (lagMs) => this.metrics.heartbeatArrived(lagMs),
      onError: (error) => log.error({ err: error }, 'looking up the heartbeat failed by a mistake of ours'),
    });
    const report = new Reporter(log, this.metrics);
    this.snapshots = parts.shelf && this.#keepIn(parts.shelf);
    this.#warmer = config.warm === 'all' ? this.#warm() : undefined;
    this.#applied = new AppliedFeed({
      ...feedListenerOf(this.snapshots?.listener ?? this.cache, this.#warmer),
      owes: (ref) => this.cache.owes(ref),
      held: () => this.cache.held(),
    });
    this.#rehearsal = parts.startShadow && this.#rehearse(parts.startShadow);
    this.tail = new FeedTail({
      store,
      clock,
      random,
      listener: this.#applied,
      pollMs: config.feedPollMs,
      readTimeoutMs: config.storeTimeoutMs,
      owns,
      onIdentity: (identity) => {
        const foreign = ownership(identity);
        if (foreign) {
          log.error({ reason: foreign.message }, 'the table is not ours');
          identified.reject(foreign);
        } else {
          this.snapshots?.identified(identity);
          identified.resolve(identity);
        }
      },
      onStep: (step) => {
        report.stepped(step);
        this.snapshots?.stepped(step);
        if (step === 'pinned') this.#warmer?.begin();
      },
      onError: (error) => {
        report.storeFailed('feed', error);
        this.snapshots?.storeFailed();
      },
    });
    this.#status = new StatusWriter({
      ...{ store, clock, random, id: this.id, region: config.region, build },
      everyMs: config.statusEveryMs,
      soonMs: config.statusSoonMs,
      timeoutMs: config.storeTimeoutMs,
      position: () => this.#position(),
      look: () => ({
        cachedContexts: this.cache.stats().entries,
        degraded: this.readiness().status === 'degraded',
        reportsKeyUses: this.#keyUses?.tellsAll ?? false,
      }),
      onError: (error) => report.storeFailed('status', error),
    });
    this.#keyUses = keyUsesOf(config, { store, clock, random, id: this.id, metrics: this.metrics, report });
    const onAlone = () => this.metrics.ratedAlone();
    const limiter = limiterOf(config, { group: parts.group, clock, onAlone });
    this.authenticator = new Authenticator({
      ...{ cache: this.cache, clock, addresses: new ClientAddresses(config.trustedProxies) },
      limiter,
      importedKeys: config.importedKeys,
      uses: this.#keyUses?.uses,
    });
    this.#forwarder = new Forwarder(forwardSettingsOf(config), {
      clock,
      random,
      events: forwardEventsOf({ metrics: this.metrics, log, clock }),
    });
    this.#review = reviewOf({ forwarder: this.#forwarder, authenticator: this.authenticator, clock, log });
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
        scrape: () => parts.group?.scrape() ?? this.metrics.registry.metrics(),
        access: accessLogOf(config, { log: parts.accessLog ?? log, clock, random, metrics: this.metrics }),
        explain: explaining(config, {
          ...{ cache: this.cache, store, clock, build, id: this.id, limiter },
          readiness: () => this.readiness(),
          feed: () => ({ watermark: this.#position()?.number, ageMs: this.tail.ageMs }),
        }),
        shadow: config.shadowSocket === undefined ? undefined : (question) => answerTo(this.cache, question),
      },
      {
        headersTimeoutMs: config.headersTimeoutMs,
        headerBytesMax: config.headerBytesMax,
        keepAliveMs: config.keepAliveMs,
        tls: certificate?.options,
      },
    );
    if (certificate) {
      const server = this.#server as TlsServer;
      const { metrics } = this;
      this.#certificate = followCertificate({ certificate, server, metrics, clock, log }, config.tlsReloadMs);
    }
    this.metrics.watch({
      door: guardDoor(this.#server, config, (why) => this.metrics.turnedAway(why)),
      known: this.#census?.known,
      cache: this.cache,
      tail: this.tail,
      watermark: () => this.#position()?.number,
      readiness: () => this.readiness(),
      heartbeatAgeMs: () => this.heartbeat.ageMs,
      forwarder: this.#forwarder,
      loopAgesMs: () => ({
        'feed-tail': this.tail.loopAgeMs,
        ...(parts.group ? { 'group-link': parts.group.loopAgeMs } : { 'gateway-status': this.#status.ageMs }),
        heartbeat: this.heartbeat.loopAgeMs,
        'suspect-walk': this.cache.stats().walkAgeMs,
        ...this.snapshots?.keeper.stats().loopAgesMs,
        review: this.#review.ageMs(),
        ...(this.#rehearsal ? { rehearsal: this.#rehearsal.loopAgeMs } : {}),
        ...(this.#census ? { census: this.#census.ageMs } : {}),
        ...(this.#keyUses ? { 'key-uses': this.#keyUses.ageMs } : {}),
        ...(this.#certificate ? { certificate: this.#certificate.ageMs() } : {}),
      }),
    });
  }

  readiness(): Readiness {
    const { cache, tail, snapshots } = this;
    const warming = this.#warmer?.reason;
    return readinessOf({ cache, tail, snapshots, warming, stopping: this.#stopping !== undefined });
  }

  /** How far it is, for the group that it is a worker of. */
  state(): Pick<WorkerState, 'position' | 'readiness' | 'cachedContexts' | 'answers'> {
    return {
      position: this.#position(),
      readiness: this.readiness().status,
      cachedContexts: this.cache.stats().entries,
      answers: !this.#closed,
    };
  }

  /** Up to where the feed is in force here, and would be after a crash. */
  #position(): FeedHead | undefined {
    const { watermark, feedIncarnation: incarnation } = this.tail;
    if (watermark === undefined || incarnation === undefined) return undefined;
    const { number } = this.#applied.inForce({ incarnation, number: watermark });
    return { incarnation, number: this.snapshots?.keeper.settled(number) ?? number };
  }

  #keepIn(shelf: SnapshotShelf): Snapshots {
    const { config, clock, random, log } = this.#parts;
    return new Snapshots({
      ...{ shelf, config, clock, random, log, cache: this.cache },
      bootableAgeMs: () => this.#rehearsal?.provenAgeMs,
      readOnly: config.shadowSlot !== undefined,
      tail: () => this.tail,
      metrics: this.metrics.snapshots,
    });
  }

  #warm(): Warmer {
    const { cacheEntriesMax: entriesMax } = this.#parts.config;
    return new Warmer({ ...this.#parts, cache: this.cache, entriesMax });
  }

  #rehearse(start: (signal: AbortSignal) => Promise<Shadow>): Rehearsal {
    const { config, clock, random, log } = this.#parts;
    return new Rehearsal({
      ...{ start, clock, random, log, everyMs: config.rehearsalEveryMs },
      refs: () => this.cache.refs(),
      answer: (question) => answerTo(this.cache, question),
      rehearsed: (outcome) => {
        this.metrics.snapshots.rehearsed(outcome);
        if (outcome !== 'proven') this.snapshots?.keeper.renew();
      },
    });
  }

  /** Starts the loops, once the snapshot was taken up. Returns itself. */
  start(): this {
    this.booted = this.#boot();
    return this;
  }

  async #boot(): Promise<void> {
    const { snapshots } = this;
    if (snapshots) await snapshots.boot();
    if (this.#stopping) return;
    this.tail.start();
    if (this.#parts.group === undefined) this.#status.start();
    this.#review.start();
    this.#census?.start();
    this.#keyUses?.start();
    this.#certificate?.start();
    this.heartbeat.start();
    this.#rehearsal?.start();
    if (snapshots) await snapshots.settled();
  }

  /**
   * Listens as configured, or on a socket that another process has bound, and returns the URL under which this machine
   * reaches it.
   */
  async listen(handle?: unknown): Promise<string> {
    const { host, port, shadowSocket } = this.#parts.config;
    if (handle !== undefined) this.#server.listen(handle);
    else if (shadowSocket === undefined) this.#server.listen(port, host, backlogMax);
    else this.#server.listen(shadowSocket);
    await once(this.#server, 'listening');
    if (shadowSocket !== undefined) return `unix:${shadowSocket}`;
    return urlOf(this.#server, this.#certificate ? 'https' : 'http');
  }

  /**
   * Takes no more connections, lets requests under way end (within `shutdownMs`), then ends loops and store. Idle
   * connections have `lingerMs` for one more request, whose answer says that it is the last.
   */
  stop({ lingerMs = 0 }: { lingerMs?: number } = {}): Promise<void> {
    this.#stopping ??= this.#stop(lingerMs);
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(lingerMs: number): Promise<void> {
    const { clock, config } = this.#parts;
    const beforeCut = () => this.#forwarder.cutAll();
    await closeServer(this.#server, { clock, lingerMs, shutdownMs: config.shutdownMs, beforeCut });
    this.#closed = true;
    await this.booted;
    await this.tail.stop();
    await this.#status.leave();
    await this.#review.stop();
    for (const part of [this.#census, this.#keyUses]) await part?.[Symbol.asyncDispose]();
    await this.#certificate?.stop();
    await this.#warmer?.stop();
    await this.#rehearsal?.[Symbol.asyncDispose]();
    await this.snapshots?.[Symbol.asyncDispose]();
    const heartbeatEnded = this.heartbeat[Symbol.asyncDispose]();
    await this.cache.stop(); // answers whoever waits
    await heartbeatEnded;
    await this.#forwarder[Symbol.asyncDispose]();
    await this.#parts.store[Symbol.asyncDispose]();
  }

  /** Looks at the files of the certificate now (SIGHUP), and not only when it is time. */
  reloadCertificate(): void {
    this.#certificate?.wake();
  }
}
