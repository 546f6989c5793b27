import { permissionName } from '../contexts/permissions.ts';

/**
 * What a request requires of a key's permissions:
 *
 *     expression = term *( OR term )
 *     term       = factor *( AND factor )
 *     factor     = name / "(" expression ")"
 *
 * So AND binds closer than OR: `a OR b AND c` is `a OR (b AND c)`. The operators are upper-case words between spaces or
 * parentheses; a permission that is called AND or OR cannot be asked for. Names are as the hub takes them.
 */
export type Expression =
  | { readonly is: 'permission'; readonly name: string }
  | { readonly is: 'all' | 'any'; readonly of: readonly Expression[] };

export type ParseOutcome =
  | { readonly outcome: 'parsed'; readonly expression: Expression }
  /** `problem` is a sentence for whoever wrote the expression. */
  | { readonly outcome: 'malformed'; readonly problem: string };

/** Characters of an expression. */
export const expressionLengthMax = 1_000;
/** Parentheses within parentheses. */
export const expressionDepthMax = 16;

const token = /[()]|[^()\s]+/g;

/** Never throws: the text is a caller's. */
export function parseExpression(text: string): ParseOutcome {
  if (text.length > expressionLengthMax)
    return malformed(`It has ${text.length} characters; the most is ${expressionLengthMax}.`);
  /** Words and parentheses, each with its place: the number of its first character, from 1. */
  const tokens = [...text.matchAll(token)].map(({ 0: word, index }) => ({ word, place: index + 1 }));
  if (tokens.length === 0) return malformed('It is empty.');
  let at = 0;
  let depth = 0;

  /** One kind of operator and what stands between; a single operand is itself. */
  function chain(operator: 'OR' | 'AND', operand: () => Expression): Expression {
    const of = [operand()];
    while (tokens[at]?.word === operator) {
      at += 1;
      of.push(operand());
    }
    return of.length === 1 ? of[0]! : { is: operator === 'AND' ? 'all' : 'any', of };
  }
  const term = () => chain('AND', factor);
  const expression = () => chain('OR', term);

  function factor(): Expression {
    const next = tokens[at];
    if (next === undefined) throw new Malformed('A permission is missing at the end.');
    const { word, place } = next;
    if (word === '(') {
      depth += 1;
      if (depth > expressionDepthMax)
        throw new Malformed(`It has more than ${expressionDepthMax} parentheses within each other.`);
      at += 1;
      const inner = expression();
      if (at === tokens.length) throw new Malformed(`The parenthesis at ${place} is not closed.`);
      if (tokens[at]!.word !== ')') throw unexpected();
      at += 1;
      depth -= 1;
      return inner;
    }
    if (word === ')' || word === 'AND' || word === 'OR')
      throw new Malformed(`A permission is missing before "${word}" at ${place}.`);
    if (!permissionName.test(word))
      throw new Malformed(`What stands at ${place} cannot be the name of a permission.`);
    at += 1;
    return { is: 'permission', name: word };
  }

  function unexpected(): Malformed {
    const { word, place } = tokens[at]!;
    if (word === ')') return new Malformed(`The parenthesis at ${place} closes nothing.`);
    const hint = /^(?:and|or)$/i.test(word) ? ' The operators are written in capitals.' : '';
    return new Malformed(`AND or OR is missing before what stands at ${place}.${hint}`);
  }

  try {
    const parsed = expression();
    if (at < tokens.length) throw unexpected();
    return { outcome: 'parsed', expression: parsed };
  } catch (error) {
    if (error instanceof Malformed) return malformed(error.message);
    throw error;
  }
}

/** Whether somebody who holds these permissions meets the expression. */
export function satisfies(expression: Expression, held: readonly string[]): boolean {
  switch (expression.is) {
    case 'permission':
      return held.includes(expression.name);
    case 'all':
      return expression.of.every((one) => satisfies(one, held));
    case 'any':
      return expression.of.some((one) => satisfies(one, held));
  }
}

class Malformed extends Error {}

function malformed(problem: string): ParseOutcome {
  return { outcome: 'malformed', problem };
}
