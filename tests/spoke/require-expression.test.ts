import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Expression,
  expressionDepthMax,
  expressionLengthMax,
  parseExpression,
  satisfies,
} from '../../spoke/require-expression.ts';
import { Requirements } from '../../spoke/requirements.ts';

function met(text: string, ...held: string[]): boolean {
  const parsed = parseExpression(text);
  if (parsed.outcome === 'malformed') throw new Error(parsed.problem);
  return satisfies(parsed.expression, held);
}

describe('an expression', () => {
  test.each<[text: string, held: string[], expected: boolean]>([
    ['a', ['a'], true],
    ['a', ['A'], false],
    ['a', [], false],
    ['a AND b', ['a'], false],
    ['a AND b', ['b', 'a'], true],
    ['a OR b', ['b'], true],
    ['a OR b AND c', ['a'], true],
    ['a OR b AND c', ['b'], false],
    ['(a OR b) AND c', ['a'], false],
    ['(a OR b) AND c', ['a', 'c'], true],
    ['a AND (b OR c)', ['a', 'c'], true],
    ['a AND b OR c AND d', ['c', 'd'], true],
    ['a AND b OR c AND d', ['b', 'c'], false],
    ['((a))', ['a'], true],
    ['(a)AND(b)', ['a', 'b'], true],
    [' a\tAND\nb ', ['a', 'b'], true],
    ['documents:* OR topics/orders.read', ['documents:read'], false],
    ['documents:* OR topics/orders.read', ['topics/orders.read'], true],
    ['ANDROID OR ORDERS', ['ORDERS'], true],
  ])('%s of %j: %s', (text, held, expected) => {
    expect(met(text, ...held)).toBe(expected);
  });

  test.each<[text: string, problem: string]>([
    ['', 'It is empty.'],
    ['  ', 'It is empty.'],
    ['a b', 'AND or OR is missing before what stands at 3.'],
    ['a and b', 'AND or OR is missing before what stands at 3. The operators are written in capitals.'],
    ['a AND', 'A permission is missing at the end.'],
    ['OR a', 'A permission is missing before "OR" at 1.'],
    ['a AND OR b', 'A permission is missing before "OR" at 7.'],
    ['()', 'A permission is missing before ")" at 2.'],
    ['(a OR b', 'The parenthesis at 1 is not closed.'],
    ['a OR b)', 'The parenthesis at 7 closes nothing.'],
    ['(a b)', 'AND or OR is missing before what stands at 4.'],
    ['a(b)', 'AND or OR is missing before what stands at 2.'],
    ['NOT a', 'AND or OR is missing before what stands at 5.'],
    ['a AND !b', 'What stands at 7 cannot be the name of a permission.'],
    ['a,b', 'What stands at 1 cannot be the name of a permission.'],
    ['n'.repeat(65), 'What stands at 1 cannot be the name of a permission.'],
    ['a'.repeat(expressionLengthMax + 1), 'It has 1001 characters; the most is 1000.'],
    [
      `${'('.repeat(expressionDepthMax + 1)}a${')'.repeat(expressionDepthMax + 1)}`,
      'It has more than 16 parentheses within each other.',
    ],
  ])('malformed: %s', (text, problem) => {
    expect(parseExpression(text)).toEqual({ outcome: 'malformed', problem });
  });

  test('may be as long and as deep as it says, and one after the other is not deeper', () => {
    const deepest = `${'('.repeat(expressionDepthMax)}a${')'.repeat(expressionDepthMax)}`;
    expect(met(`${deepest} AND ${deepest}`, 'a')).toBe(true);
    const longest = Array.from({ length: 200 }, () => 'a')
      .join(' OR ')
      .slice(0, expressionLengthMax - 1);
    expect(met(longest.replace(/ O?R? ?$/, ''), 'a')).toBe(true);
  });

  test('means what a naive evaluator makes of it, however it is written', () => {
    const names = ['a', 'b', 'c', 'd.e:f/*', 'AN', 'ORs'];
    const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
      expression: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(...names).map((name): Expression => ({ is: 'permission', name })),
        fc.record({
          is: fc.constantFrom('all' as const, 'any' as const),
          of: fc.array(tie('expression'), { minLength: 2, maxLength: 3 }),
        }),
      ),
    }));
    const space = fc.constantFrom(' ', '  ', '\t');
    fc.assert(
      fc.property(
        expression,
        fc.subarray(names),
        fc.infiniteStream(fc.boolean()),
        fc.infiniteStream(space),
        (given, held, coins, spaces) => {
          const gap = () => spaces.next().value;
          const written = write(given, coins, gap, 'loosest');
          fc.pre(written.length <= expressionLengthMax);
          const parsed = parseExpression(written);
          if (parsed.outcome === 'malformed') throw new Error(`${written}: ${parsed.problem}`);
          expect(satisfies(parsed.expression, held), written).toBe(naive(written, held));
          expect(satisfies(given, held), written).toBe(naive(written, held));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('never throws, and takes nothing that the naive evaluator cannot read', () => {
    const words = fc.constantFrom('a', 'b', 'AND', 'OR', '(', ')', ' ', 'and', '!', '\u{1F511}');
    fc.assert(
      fc.property(fc.array(words, { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        const parsed = parseExpression(text);
        if (parsed.outcome === 'parsed') expect(naive(text, ['a'])).toBe(satisfies(parsed.expression, ['a']));
        else expect(parsed.problem).toMatch(/^[A-Z].*\.$/s);
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Writes an expression down, with parentheses where they are needed and now and then where they are not. */
function write(
  expression: Expression,
  coins: Iterator<boolean>,
  gap: () => string,
  around: 'loosest' | 'any' | 'all',
): string {
  const plain =
    expression.is === 'permission'
      ? expression.name
      : expression.of
          .map((one) => write(one, coins, gap, expression.is === 'all' ? 'all' : 'any'))
          .join(gap() + (expression.is === 'all' ? 'AND' : 'OR') + gap());
  const needed = around === 'all' && expression.is === 'any';
  return needed || (coins.next().value && expression.is !== 'permission') ? `(${plain})` : plain;
}

/** Another way to the same: replaces what is known until one word is left. It knows nothing of grammars. */
function naive(text: string, held: readonly string[]): boolean {
  let rest = text
    .replaceAll(/[()]/g, ' $& ')
    .trim()
    .split(/\s+/)
    .map((word) => (/^(?:AND|OR|[()])$/.test(word) ? word : held.includes(word) ? 'yes' : 'no'))
    .join(' ');
  const steps: [RegExp, (one: string, other: string) => string][] = [
    [/\( (yes|no) \)/, (one) => one],
    [/(yes|no) AND (yes|no)/, (one, other) => (one === 'yes' && other === 'yes' ? 'yes' : 'no')],
    // Only where no AND claims either side first.
    [
      /(?<!AND )\b(yes|no) OR (yes|no)\b(?! AND)/,
      (one, other) => (one === 'yes' || other === 'yes' ? 'yes' : 'no'),
    ],
  ];
  for (;;) {
    const step = steps.find(([pattern]) => pattern.test(rest));
    if (!step) break;
    rest = rest.replace(step[0], (_all, one: string, other: string) => step[1](one, other));
  }
  if (rest !== 'yes' && rest !== 'no') throw new Error(`left over of ${text}: ${rest}`);
  return rest === 'yes';
}

describe('the query', () => {
  const requirements = new Requirements();
  const a: Expression = { is: 'permission', name: 'a' };

  test.each(['', 'x=1', 'required=a', 'x=require', 'Require=a', '%41=b'])('requires nothing: %s', (query) => {
    expect(requirements.read(query)).toBeUndefined();
  });

  test.each(['require=a', 'x=1&require=a&y', 'require=+a+', 'require=%61', '%72equire=a'])(
    'requires a: %s',
    (query) => {
      for (let times = 0; times < 2; times++)
        expect(requirements.read(query)).toEqual({ state: 'required', expressions: [a] });
    },
  );

  test('requires all that it names, so that nobody can ask for less by asking once more', () => {
    const read = requirements.read('require=a&require=b+OR+c');
    expect(read).toMatchObject({ state: 'required', expressions: [a, { is: 'any' }] });
    expect(requirements.read('require=a&require=')).toEqual({ state: 'malformed', problem: 'It is empty.' });
    expect(requirements.read('require')).toMatchObject({ state: 'malformed' });
    expect(requirements.read(Array.from({ length: 9 }, () => 'require=a').join('&'))).toMatchObject({
      state: 'malformed',
    });
  });
});
