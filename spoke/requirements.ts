import { LRUCache } from 'lru-cache';
import { type Expression, type ParseOutcome, parseExpression } from './require-expression.ts';

/** What a request requires of the key it shows, by the parameters `require` of its query. */
export type Requirement =
  /** All of them. */
  | { readonly state: 'required'; readonly expressions: readonly Expression[] }
  | { readonly state: 'malformed'; readonly problem: string };

/** Of one request. Expressions narrow and never widen, so more than a proxy and an agent would say is a mistake. */
const parametersMax = 8;
/** Texts whose meaning is remembered: a deployment asks for few, and an agent that makes some up pushes out as many. */
const rememberedMax = 1_000;

/**
 * Reads `?require=` out of queries. Every `require` counts, whoever has put it there: where a proxy hands its agents'
 * queries on, an agent can ask for more than the proxy does and not for less.
 */
export class Requirements {
  readonly #parsed = new LRUCache<string, ParseOutcome>({ max: rememberedMax });

  /** @param query without its `?`, as it came. Undefined where nothing is required. */
  read(query: string): Requirement | undefined {
    // A name may be percent-encoded, too.
    if (!query.includes('require') && !query.includes('%')) return undefined;
    const texts = new URLSearchParams(query).getAll('require');
    if (texts.length === 0) return undefined;
    if (texts.length > parametersMax)
      return { state: 'malformed', problem: `There are more than ${parametersMax} of them.` };
    const expressions: Expression[] = [];
    for (const text of texts) {
      const parsed = this.#parse(text);
      if (parsed.outcome === 'malformed') return { state: 'malformed', problem: parsed.problem };
      expressions.push(parsed.expression);
    }
    return { state: 'required', expressions };
  }

  #parse(text: string): ParseOutcome {
    const known = this.#parsed.get(text);
    if (known !== undefined) return known;
    const parsed = parseExpression(text);
    // What is too long to be parsed is too long to be kept.
    if (parsed.outcome === 'parsed') this.#parsed.set(text, parsed);
    return parsed;
  }
}
