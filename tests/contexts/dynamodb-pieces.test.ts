import fc from 'fast-check';
import { expect, test } from 'vitest';
import { takeApart } from '../../contexts/stores/dynamodb-pieces.ts';

/** Texts that look like what items are parted at, inside and out. */
const nasty = fc.oneof(
  fc.string(),
  fc.constantFrom(
    '"}},{"',
    '"}},{',
    '}},{',
    '"}}],"',
    '{"a":{"S":"x"}},{"b":1}',
    '"Items":[',
    '\\',
    '\\"',
    ']}',
  ),
  fc
    .array(fc.constantFrom('"', '}', '{', ',', '\\', ':', '[', ']', 'S'), { maxLength: 12 })
    .map((marks) => marks.join('')),
);
/** A value of any type that DynamoDB has, also those that the store never writes: anybody may. */
const { value } = fc.letrec<{ value: object }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.record({ S: nasty }),
    fc.record({ N: fc.integer().map(String) }),
    fc.record({ BOOL: fc.boolean() }),
    fc.record({ NULL: fc.constant(true) }),
    fc.record({ SS: fc.array(nasty, { maxLength: 3 }) }),
    fc.record({ L: fc.array(tie('value'), { maxLength: 3 }) }),
    fc.record({ M: fc.dictionary(nasty, tie('value'), { maxKeys: 3 }) }),
  ),
}));
const item = fc.dictionary(fc.oneof(nasty, fc.constantFrom('pk', 'v')), value, { maxKeys: 4 });
const answer = fc.record({
  Items: fc.array(item, { maxLength: 12 }),
  LastEvaluatedKey: fc.option(fc.record({ pk: fc.record({ S: nasty }), sk: fc.record({ S: nasty }) }), {
    nil: undefined,
  }),
});

test.each([
  ['as AWS prints it', (it: object) => JSON.stringify({ Count: 1, ...it, ScannedCount: 1 })],
  [
    'as dynalite prints it',
    ({ Items, LastEvaluatedKey }: { Items: unknown; LastEvaluatedKey: unknown }) =>
      JSON.stringify({ ScannedCount: 1, LastEvaluatedKey, Count: 1, Items }),
  ],
  ['with spaces', (it: object) => JSON.stringify(it, null, 1)],
])('an answer %s is the same in pieces as whole, whatever stands in it', (_name, print) => {
  fc.assert(
    fc.property(answer, fc.integer({ min: 1, max: 300 }), (told, pieceChars) => {
      const text = print(told);
      const { pieces, LastEvaluatedKey } = takeApart(text, pieceChars);
      const whole = JSON.parse(text);
      expect([...pieces].flat()).toEqual(whole.Items);
      expect(LastEvaluatedKey).toEqual(whole.LastEvaluatedKey);
    }),
    { numRuns: 500 },
  );
});

test('a long answer comes in more than one piece, each about as long as asked for', () => {
  const items = Array.from({ length: 100 }, (_, n) => ({ sk: { S: `key-${n}` }, v: { S: 'x'.repeat(50) } }));
  const pieces = [...takeApart(JSON.stringify({ Items: items }), 1_000).pieces];
  expect(pieces.length).toBeGreaterThan(5);
  expect(Math.max(...pieces.map((piece) => JSON.stringify(piece).length))).toBeLessThan(1_200);
});

test.each(['{}', '{"Count":0}'])('an answer without items, %j, has none', (text) => {
  expect([...takeApart(text).pieces].flat()).toEqual([]);
});

test('what is no JSON is told at once', () => {
  expect(() => takeApart(`<html>${'"Items":["}},{"'.repeat(10)}`, 10)).toThrow(SyntaxError);
});
