import { identityHeaders } from '../answers.ts';
import { carriesAgentKey } from '../credentials.ts';
import type { PreparedAgentKey } from '../prepared.ts';

/**
 * The header rules of forwarding, on raw headers: name, value, name, value, ... in the order and spelling in which
 * they came, repeated ones repeated.
 *
 * Connection-specific fields end at each hop (RFC 9110 7.6.1): those that `Connection` names, and these, which some
 * send without naming them. `trailer` and `te` go too, because trailers are not forwarded; `expect` because the
 * server has answered it.
 */
const hopByHop = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'http2-settings',
]);

/** With `_` too: CGI, WSGI and their like make both spellings one name, and would take the spoofed one for ours. */
const ours = /^spokecast[-_]/;

export interface Hop {
  /** The peer that this request came from. */
  remoteAddress: string;
  /** The `host` it was sent to. */
  host: string | undefined;
  protocol: 'http' | 'https';
  httpVersion: string;
}

/** What the upstream is sent: the client's headers without the hop's and without credentials, and who it is. */
export function requestHeaders(raw: readonly string[], key: PreparedAgentKey, hop: Hop): string[] {
  const listed = connectionListed(raw);
  const headers: string[] = [];
  const forwarded = { for: '', host: '', proto: '', via: '' };
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    const lower = name.toLowerCase();
    switch (lower) {
      case 'x-forwarded-for':
        forwarded.for = joined(forwarded.for, value);
        continue;
      case 'x-forwarded-host':
        forwarded.host = joined(forwarded.host, value);
        continue;
      case 'x-forwarded-proto':
        forwarded.proto = joined(forwarded.proto, value);
        continue;
      case 'via':
        forwarded.via = joined(forwarded.via, value);
        continue;
      case 'host':
      case 'expect':
        continue;
      case 'authorization':
        if (carriesAgentKey(value)) continue;
    }
    if (hopByHop.has(lower) || listed.has(lower) || ours.test(lower)) continue;
    headers.push(name, value);
  }
  headers.push('x-forwarded-for', joined(forwarded.for, hop.remoteAddress));
  if (hop.host !== undefined) headers.push('x-forwarded-host', joined(forwarded.host, hop.host));
  headers.push('x-forwarded-proto', joined(forwarded.proto, hop.protocol));
  headers.push('via', joined(forwarded.via, `${hop.httpVersion} spokecast`));
  headers.push(
    identityHeaders.tenant,
    key.tenantId,
    identityHeaders.cluster,
    key.clusterId,
    identityHeaders.key,
    key.id,
  );
  return headers;
}

/** What the client is sent: the upstream's headers without the hop's, and without any that would pass for ours. */
export function responseHeaders(raw: readonly string[]): string[] {
  const listed = connectionListed(raw);
  const headers: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const lower = raw[i]!.toLowerCase();
    if (hopByHop.has(lower) || listed.has(lower) || ours.test(lower)) continue;
    headers.push(raw[i]!, raw[i + 1]!);
  }
  return headers;
}

/** The value of the only header of that name, or of the first. */
export function rawHeader(raw: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]!.toLowerCase() === name) return raw[i + 1];
  }
  return undefined;
}

/**
 * The names that `Connection` lists. Names that frame the message or say who sends it are not given up, whoever
 * lists them: a client could otherwise make a hop drop what the next one relies on.
 */
function connectionListed(raw: readonly string[]): Set<string> {
  const listed = new Set<string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]!.toLowerCase() !== 'connection') continue;
    for (const name of raw[i + 1]!.split(',')) listed.add(name.trim().toLowerCase());
  }
  for (const kept of ['content-length', 'content-type', 'content-encoding', 'host', '']) listed.delete(kept);
  return listed;
}

function joined(before: string, value: string): string {
  return before === '' ? value : `${before}, ${value}`;
}
