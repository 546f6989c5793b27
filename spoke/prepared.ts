import { type Content, open } from '../contexts/envelope.ts';
import type { Body, KindName } from '../contexts/kinds/index.ts';
import type { PrepareOutcome } from './cache/judge.ts';
import type { PresentEntry } from './cache/present-entry.ts';
import { type KeyBounds, readBounds } from './key-bounds.ts';

/**
 * Contexts as the gateway keeps them: what a decision or an answer needs, taken out of the envelope once, when it
 * is read. What no gateway looks at (a cluster's settings) costs no memory here.
 */
export interface PreparedTenant {
  readonly status: Body<'tenant'>['status'];
}

export interface PreparedCluster {
  readonly name: string;
  readonly status: Body<'cluster'>['status'];
  /** Where the cluster's requests go: at least one, those of the first priority first. */
  readonly upstreams: readonly Upstream[];
}

export interface Upstream {
  /** Scheme, host and port: `https://metadata.internal:8443`. */
  readonly origin: string;
  /** The URL's path without a trailing slash; empty at the root. */
  readonly basePath: string;
  /** The lowest number with anything usable takes all requests, */
  readonly priority: number;
  /** which those of one priority share in proportion to their weights. */
  readonly weight: number;
}

/** What every request needs stands first: see {@link PresentEntry}. */
export interface PreparedAgentKey {
  /** Of its present secret. */
  readonly verifier: string;
  readonly bounds: KeyBounds | undefined;
  readonly expiresAtMs: number | null;
  readonly status: Body<'agent-key'>['status'];
  /** What it was found to belong to, and was granted for: as long as both are fresh that need not be decided again. */
  scope: Scope | undefined;
  /** What it was told when it was last granted. */
  told: Told | undefined;
  /** The stretch of time in which it was last let in; 0 where it was not. */
  usedIn: number;
  readonly id: string;
  /** In what has a scope these two are the very texts that its entries are known by: keys of one cluster share them. */
  tenantId: string;
  clusterId: string;
  readonly permissions: readonly string[];
}

/** A tenant and a cluster that let a key in, as the cache held them. */
export interface Scope {
  readonly tenant: PresentEntry<PreparedTenant>;
  readonly cluster: PresentEntry<PreparedCluster>;
}

/** The body that a granted key is told, made once for as long as the cluster has that name. */
export interface Told {
  readonly clusterName: string;
  readonly body: string;
  readonly encoding: 'latin1' | 'utf8';
  readonly bytes: string;
}

export interface PreparedHeartbeat {
  /** When it was made at the hub, milliseconds since the Unix epoch. */
  readonly atMs: number;
}

export interface PreparedContexts extends Record<KindName, object> {
  tenant: PreparedTenant;
  cluster: PreparedCluster;
  'agent-key': PreparedAgentKey;
  heartbeat: PreparedHeartbeat;
}

/** Bytes an entry takes beside its text: maps, objects, pointers. Measured to the nearest hundred. */
const overheadBytes = 700;

/** What an agent key has to remember its tenant and its cluster by, in characters. */
const referenceBytes = 50;

/** Checks an envelope's body and takes out what is needed, or says why it cannot. */
export const prepare: {
  [Kind in KindName]: (content: Content<Kind>) => PrepareOutcome<PreparedContexts[Kind]>;
} = {
  tenant: (envelope) => prepared(envelope, ({ status }) => [{ status }, 0]),

  cluster: (envelope) =>
    prepared(envelope, ({ name, status, upstreamUrl, upstreams: list }) => {
      const upstreams = (list ?? [{ url: upstreamUrl, priority: 0, weight: 1 }])
        .map(({ url, priority, weight }): Upstream => {
          const { origin, pathname } = new URL(url);
          return { origin, basePath: pathname.replace(/\/+$/, ''), priority, weight };
        })
        .sort((one, other) => one.priority - other.priority);
      const text = upstreams.reduce(
        (sum, { origin, basePath }) => sum + origin.length + basePath.length + 32,
        0,
      );
      return [{ name, status, upstreams }, name.length + text];
    }),

  'agent-key': (envelope) =>
    prepared(envelope, (body) => {
      const { tenantId, clusterId, status, expiresAtMs, permissions } = body;
      const { verifier, bounds, boundsBytes } = readBounds(body);
      // Named one by one: what is spread lies in a second object.
      const key = {
        verifier,
        bounds,
        expiresAtMs,
        status,
        scope: undefined,
        told: undefined,
        usedIn: 0,
        id: envelope.key,
        tenantId,
        clusterId,
        permissions,
      };
      // What it is told repeats all of it once more.
      return [
        key,
        4 * (tenantId.length + clusterId.length + verifier.length + permissions.join().length + 64) +
          boundsBytes +
          referenceBytes,
      ];
    }),

  heartbeat: (envelope) => prepared(envelope, ({ atMs }) => [{ atMs }, 0]),
};

function prepared<Kind extends KindName>(
  envelope: Content<Kind>,
  take: (body: Body<Kind>) => [value: PreparedContexts[Kind], textLength: number],
): PrepareOutcome<PreparedContexts[Kind]> {
  const opened = open(envelope);
  if (opened.outcome !== 'live') return opened;
  const [value, textLength] = take(opened.body);
  return { outcome: 'live', value, bytes: overheadBytes + 2 * (textLength + envelope.key.length) };
}
