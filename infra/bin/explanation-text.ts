/** What a gateway tells at `/debug/agent-keys/{id}`, as far as it is told here. */
export interface ExplanationView {
  keyId: string;
  address: string | null;
  at: string;
  gateway: { id: string; build: string; status: string; reasons: string[] };
  region: {
    id: string;
    placement: 'here' | 'not-here' | 'unknown';
    feedWatermark: number | null;
    feedAgeMs: number;
  };
  verdict: VerdictView;
  links: LinkView[];
  store:
    | { asked: false }
    | { asked: true; answered: false; code: string; reason: string }
    | {
        asked: true;
        answered: true;
        tookMs: number;
        identity: { environment: string; region: string; incarnation: string; whole: boolean } | null;
        verdict: VerdictView;
      };
}

export interface VerdictView {
  outcome: 'granted' | 'refused' | 'asks-store';
  code: string | null;
  status: number | null;
  why: string;
}

interface LinkView {
  link: string;
  key: string | null;
  says: 'allows' | 'refuses' | 'cannot-tell' | 'asks-store';
  code: string | null;
  why: string;
  held: {
    state: string;
    source: 'store' | 'feed' | 'snapshot' | null;
    epoch: number | null;
    revision: number | null;
    awaitedRevision: number | null;
    ageMs: number | null;
    reading: string | null;
    census: 'known' | 'unheard' | 'untold';
  };
  facts: Record<string, unknown> | null;
  stored: {
    compared: string;
    epoch: number | null;
    revision: number | null;
    tombstone: boolean;
    builtAt: string | null;
    reason: string | null;
  } | null;
}

const hues = { good: 32, bad: 31, unsure: 33, dim: 2 } as const;
const hueOf: Record<string, keyof typeof hues> = {
  granted: 'good',
  allows: 'good',
  refused: 'bad',
  refuses: 'bad',
  'cannot-tell': 'unsure',
  'asks-store': 'unsure',
};

/** The explanation in sentences, a paragraph a link. */
export function narrate(explanation: ExplanationView, { colours }: { colours: boolean }): string {
  const { keyId, address, verdict, links, gateway, region, store } = explanation;
  const paint = (hue: keyof typeof hues, text: string) =>
    colours ? `\u001b[${hues[hue]}m${text}\u001b[0m` : text;
  const word = (says: string) => paint(hueOf[says] ?? 'dim', said[says] ?? says);
  const lines = [
    `${keyId} in ${region.id}${address === null ? '' : `, from ${address}`}: ${word(verdict.outcome)}${answer(verdict)}`,
    `  ${verdict.why}`,
    '',
  ];
  for (const link of links) {
    lines.push(`${link.link}${link.key === null ? '' : ` ${link.key}`}: ${word(link.says)}${codeOf(link)}`);
    if (link.says !== 'allows') lines.push(`  ${link.why}`);
    if (link.key === null)
      lines.push(paint('dim', '  only the agent key names it, and that is not known here'));
    else lines.push(paint('dim', `  ${heldText(link)}`));
    if (link.facts) lines.push(paint('dim', `  ${factsText(link.facts)}`));
    if (link.stored) lines.push(paint('dim', `  ${storedText(link.stored)}`));
  }
  lines.push(`region ${region.id}: ${placed[region.placement]}`);
  lines.push('', ...gatewayText(gateway, region), ...storeText(store, word));
  return lines.join('\n');
}

const placed = {
  here: 'the cluster is placed here',
  'not-here': 'the cluster is not placed here, or its context has not arrived',
  unknown: 'whether the cluster is placed here is not known to the gateway',
};

const said: Record<string, string> = {
  granted: 'let in',
  refused: 'refused',
  allows: 'allows',
  refuses: 'refuses',
  'cannot-tell': 'cannot tell',
  'asks-store': 'would ask the store',
};

function answer({ code, status }: VerdictView): string {
  return code === null || status === null ? '' : ` (${status} ${code})`;
}

function codeOf({ code }: LinkView): string {
  return code === null ? '' : ` (${code})`;
}

function heldText({ held }: LinkView): string {
  const { state, source, epoch, revision, awaitedRevision, ageMs, reading, census } = held;
  if (state === 'absent') {
    const counted = {
      known: 'the census found it in the region',
      unheard: 'the census has not found it in the region',
      untold: 'no census tells whether it exists',
    };
    return `not held${reading ? `, being read (${reading})` : ''}; ${counted[census]}`;
  }
  const from = { store: 'read from the store', feed: 'heard in the feed', snapshot: 'out of the snapshot' };
  const parts = [
    revision === null ? 'no revision' : `revision ${revision} of epoch ${epoch}`,
    source === null ? '' : `${from[source]}${ageMs === null ? '' : ` ${ago(ageMs)}`}`,
    state,
    awaitedRevision === null ? '' : `revision ${awaitedRevision} was announced and is awaited`,
    reading === null ? '' : `being read (${reading})`,
  ];
  return parts.filter(Boolean).join(', ');
}

function factsText(facts: Record<string, unknown>): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}

function storedText({
  compared,
  epoch,
  revision,
  tombstone,
  builtAt,
  reason,
}: NonNullable<LinkView['stored']>) {
  if (compared === 'absent') return 'store: there is no such item';
  if (compared === 'corrupt') return `store: an item that cannot be read (${reason})`;
  const what = tombstone ? 'a tombstone' : 'a context';
  const than =
    compared === 'held-nothing' ? '' : compared === 'same' ? ', the same' : `, ${compared} than held`;
  return `store: ${what} of revision ${revision} of epoch ${epoch}${than}; the hub made it at ${builtAt}`;
}

function gatewayText(gateway: ExplanationView['gateway'], region: ExplanationView['region']): string[] {
  const { id, build, status, reasons } = gateway;
  const feed =
    region.feedWatermark === null
      ? 'no feed followed'
      : `feed up to ${region.feedWatermark}, read ${ago(region.feedAgeMs)}`;
  return [`gateway ${id} (${build}): ${status}; ${feed}`, ...reasons.map((reason) => `  ${reason}`)];
}

function storeText(store: ExplanationView['store'], word: (says: string) => string): string[] {
  if (!store.asked) return ['store: not asked (--store asks it)'];
  if (!store.answered) return [`store: did not answer: ${store.code}, ${store.reason}`];
  const { identity, tookMs, verdict } = store;
  const table =
    identity === null
      ? 'the table has no identity'
      : `table of ${identity.environment}/${identity.region}, incarnation ${identity.incarnation}, ${identity.whole ? 'whole' : 'not whole: what is absent there denies nobody'}`;
  return [
    `store: answered in ${tookMs} ms; ${table}`,
    `  by the store alone: ${word(verdict.outcome)}${answer(verdict)}, ${verdict.why}`,
  ];
}

function ago(ms: number): string {
  if (ms < 1_000) return `${ms} ms ago`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s ago`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min ago`;
  return `${(ms / 3_600_000).toFixed(1)} h ago`;
}
