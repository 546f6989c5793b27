/** Where the forwarded paths begin. */
export const clustersPrefix = '/v1/clusters/';

export type Target =
  /** `rest` is the path below the cluster and the query, as they came: empty, or beginning with `/` or `?`. */
  { state: 'target'; clusterId: string; rest: string } | { state: 'bad-path' };

/** A segment that is `.` or `..`, plainly or percent-encoded: it would climb out of the upstream's base path. */
const dotSegment = /[/\\](?:\.|%2e){1,2}(?=[/\\?#]|%2f|%5c|$)/i;
const forbidden = /[^\x21-\x7e]|\\|#/;

/**
 * Splits the request target of a forwarded request, which is looked at as it came: decoding and encoding it anew
 * would change what upstreams see.
 */
export function readTarget(requestTarget: string): Target {
  const query = requestTarget.indexOf('?');
  const path = query < 0 ? requestTarget : requestTarget.slice(0, query);
  if (!path.startsWith(clustersPrefix) || forbidden.test(requestTarget) || dotSegment.test(path))
    return { state: 'bad-path' };
  const slash = path.indexOf('/', clustersPrefix.length);
  const end = slash < 0 ? path.length : slash;
  return {
    state: 'target',
    clusterId: path.slice(clustersPrefix.length, end),
    rest: requestTarget.slice(end),
  };
}

/** The path to ask an upstream for: never empty, below `basePath`. */
export function upstreamPath(basePath: string, rest: string): string {
  const path = basePath + rest;
  return path.startsWith('/') ? path : `/${path}`;
}
