import { identityHeaders } from '../answers.ts';
import { agentKeyHeader, carriesAgentKey } from '../credentials.ts';
import type { PreparedAgentKey } from '../prepared.ts';
import type { Hop } from './hop.ts';

/**
 * The header rules of forwarding, on raw headers: name, value, name, value, ... in the order and spelling in which
 * they came, repeated ones repeated.
 *
 * Connection-specific fields end at each hop (RFC 9110 7.6.1): those that `Connection` names, and these, which some
 * send without naming them. `te` is a hop's own and made anew where trailers are wanted; `expect` ends here because
 * the server has answered it. `traceparent` and `tracestate` pass unchanged, as the standard asks of those who do
 * not take part in a trace (W3C Trace Context, 3.2 and 3.3).
 */
const hopByHop = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'http2-settings',
]);

/** Fields that frame a message, say who sends it or what it is: in a trailer they come too late (RFC 9110 6.5.1). */
const notInTrailers = new Set([
  ...['content-length', 'content-type', 'content-encoding', 'content-range', 'host', 'trailer', 'via'],
  ...['authorization', 'cookie', 'set-cookie', 'cache-control', 'expect', 'max-forwards', 'range', 'te'],
]);

/** What proxies say of where a request came from, in every spelling that something might take for it. */
const provenance = /^(?:x[-_]forwarded[-_]|x[-_]real[-_]ip$|forwarded$)/;

/** With `_` too: CGI, WSGI and their like make both spellings one name, and would take the spoofed one for ours. */
const ours = /^spokecast[-_]/;

/** What a name says of its field, whichever way the message goes. */
interface Rule {
  readonly lower: string;
  /** Of this hop or of ours: nobody else's to hand on. */
  readonly ends: boolean;
  readonly isProvenance: boolean;
}

/**
 * Which names there are rules for, by first letter (in bits) and length: nearly all others are passed over at the cost
 * of that look.
 */
const ruledLengths = new Uint32Array(128);
for (const name of [...hopByHop, 'host', 'via', 'expect', 'trailer', 'forwarded', 'authorization'])
  ruledLengths[name.charCodeAt(0)]! |= 1 << name.length;
for (const letter of 'xs') ruledLengths[letter.charCodeAt(0)] = ~0; // `x-forwarded-...` and `spokecast-...`

/** Whether there may be a rule for the name. Of what there is none for, only whoever has `Connection` list it has one. */
function mayHaveRule(name: string): boolean {
  return name.length > 31 || ((ruledLengths[name.charCodeAt(0) | 0x20]! >>> name.length) & 1) === 1;
}

/**
 * The rules of names seen lately. The same few names come with every request, and to look one up is cheaper than to
 * lower it and match it. Anybody can invent names, so there is a bound, and long names are not remembered.
 */
const rules = new Map<string, Rule>();
const rulesMax = 1_000;
const ruleLengthMax = 64;

function ruleOf(name: string): Rule {
  const known = rules.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  const rule = {
    lower,
    ends: hopByHop.has(lower) || ours.test(lower),
    isProvenance: provenance.test(lower),
  };
  if (rules.size >= rulesMax) rules.clear();
  if (name.length <= ruleLengthMax) rules.set(name, rule);
  return rule;
}

/**
 * What the upstream is sent: the client's headers without the hop's and without credentials, and who it is. `shown` is
 * an `authorization` that is known to be one.
 */
export function requestHeaders(
  raw: readonly string[],
  key: PreparedAgentKey,
  hop: Hop,
  shown?: string,
): string[] {
  const listed = connectionListed(raw);
  const headers: string[] = [];
  const said = { for: '', host: '', proto: '', forwarded: '', via: '' };
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    if (listed === nothingListed && !mayHaveRule(name)) {
      headers.push(name, value);
      continue;
    }
    const { lower, ends, isProvenance } = ruleOf(name);
    if (isProvenance && !hop.trusted) continue;
    switch (lower) {
      case 'x-forwarded-for':
        said.for = joined(said.for, value);
        continue;
      case 'x-forwarded-host':
        said.host = joined(said.host, value);
        continue;
      case 'x-forwarded-proto':
        said.proto = joined(said.proto, value);
        continue;
      case 'forwarded':
        said.forwarded = joined(said.forwarded, value);
        continue;
      case 'via':
        said.via = joined(said.via, value);
        continue;
      case 'host':
      case 'expect':
      case 'trailer': // whoever sends trailers on announces them
        continue;
      case 'authorization':
        if (value === shown || carriesAgentKey(value, headerIn(raw, agentKeyHeader))) continue;
    }
    if (ends || listed.has(lower)) continue;
    headers.push(name, value);
  }
  headers.push('x-forwarded-for', joined(said.for, hop.remoteAddress));
  // Host and protocol are those of the first hop; only who was trusted has told of an earlier one.
  const host = said.host || hop.host;
  if (host !== undefined) headers.push('x-forwarded-host', host);
  headers.push('x-forwarded-proto', said.proto || hop.protocol);
  if (said.forwarded !== '') headers.push('forwarded', joined(said.forwarded, forwardedElement(hop)));
  headers.push('via', joined(said.via, `${hop.httpVersion} spokecast`));
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

function headerIn(raw: readonly string[], name: string): string | undefined {
  for (let at = 0; at + 1 < raw.length; at += 2) if (raw[at]!.toLowerCase() === name) return raw[at + 1];
  return undefined;
}

/** This hop in the words of RFC 7239. */
function forwardedElement({ remoteAddress, host, protocol }: Hop): string {
  const address = remoteAddress.includes(':') ? `"[${remoteAddress}]"` : remoteAddress;
  const quoted = host === undefined ? '' : `;host="${host.replaceAll(/["\\]/g, '')}"`;
  return `for=${address}${quoted};proto=${protocol}`;
}

/**
 * What the client is sent: the upstream's headers without the hop's, and without any that would pass for ours.
 * `trailer` announces what only a chunked message can have; elsewhere it is left out.
 */
export function responseHeaders(raw: readonly string[], chunked: boolean): string[] {
  const listed = connectionListed(raw);
  const headers: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!;
    if (listed !== nothingListed || mayHaveRule(name)) {
      const { lower, ends } = ruleOf(name);
      if (ends || listed.has(lower) || (lower === 'trailer' && !chunked)) continue;
    }
    headers.push(name, raw[i + 1]!);
  }
  return headers;
}

/** The trailers that may go on, as pairs. They carry no more authority than headers do: ours stay ours. */
export function trailers(raw: readonly string[]): [name: string, value: string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const { lower, ends, isProvenance } = ruleOf(raw[i]!);
    if (ends || isProvenance || notInTrailers.has(lower)) continue;
    pairs.push([raw[i]!, raw[i + 1]!]);
  }
  return pairs;
}

/**
 * The names that `Connection` lists. Names that frame the message or say who sends it are not given up, whoever
 * lists them: a client could otherwise make a hop drop what the next one relies on.
 */
function connectionListed(raw: readonly string[]): ReadonlySet<string> {
  let listed: Set<string> | undefined;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!;
    if (name.length !== connectionLength || name.toLowerCase() !== 'connection') continue;
    const value = raw[i + 1]!;
    // Nearly always one of these, which names no field (`keep-alive` ends at every hop by itself).
    if (value === 'keep-alive' || value === 'close') continue;
    listed ??= new Set();
    for (const each of value.split(',')) listed.add(each.trim().toLowerCase());
  }
  if (listed === undefined) return nothingListed;
  for (const kept of ['content-length', 'content-type', 'content-encoding', 'host', '']) listed.delete(kept);
  return listed;
}

const connectionLength = 'connection'.length;
const nothingListed: ReadonlySet<string> = new Set();

function joined(before: string, value: string): string {
  return before === '' ? value : `${before}, ${value}`;
}
