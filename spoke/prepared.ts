import { type Content, open } from '../contexts/envelope.ts';
import type { Body, KindName } from '../contexts/kinds/index.ts';
import type { Reference } from './cache/entries.ts';
import type { PrepareOutcome } from './cache/judge.ts';
import { type KeyBounds, readBounds } from './key-bounds.ts';
import type { Reply } from './replies.ts';

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

export interface PreparedAgentKey {
  readonly id: string;
  readonly tenantId: string;
  readonly clusterId: string;
  /** Of its present secret. */
  readonly verifier: string;
  readonly status: Body<'agent-key'>['status'];
  readonly expiresAtMs: number | null;
  readonly permissions: readonly string[];
  readonly bounds: KeyBounds | undefined;
  /** What it belongs to, as the cache found it. */
  readonly tenant: Reference<'tenant', PreparedTenant>;
  readonly cluster: Reference<'cluster', PreparedCluster>;
  /** The stretch of time in which it was last let in; 0 where it was not. */
  usedIn: number;
  /** The answer to the last request this key was granted, good as long as the cluster is that very one. */
  granted: { readonly cluster: PreparedCluster; readonly reply: Reply } | undefined;
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

/** What an agent key has to remember its tenant and its cluster, in characters. */
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
      const key = {
        id: envelope.key,
        tenantId,
        clusterId,
        verifier,
        status,
        expiresAtMs,
        permissions,
        bounds,
        tenant: { kind: 'tenant', key: tenantId, found: undefined } as const,
        cluster: { kind: 'cluster', key: clusterId, found: undefined } as const,
        usedIn: 0,
        granted: undefined,
      };
      // The granted answer repeats all of it once more, in JSON and in headers.
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
