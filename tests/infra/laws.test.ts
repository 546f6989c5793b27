import { expect, test } from 'vitest';
import { lawShortfalls, laws, lawsIn } from '../support/laws.ts';

const enough = Object.entries(laws).flatMap(([law, { testsMin }]) =>
  Array(testsMin).fill(`a suite > x [law ${law}]`),
);

test('tags are read from names', () => {
  expect(lawsIn('[law 2] nothing goes back > by retries [law 10] [law 2]')).toEqual([2, 10]);
  expect(lawsIn('law 2 is not a tag, nor is [law]')).toEqual([]);
});

test('enough tests of every law satisfy', () => {
  expect(lawShortfalls(enough)).toEqual([]);
});

test('a law with too few tests, and a tag of no law, are named', () => {
  const without = enough.filter((name) => !name.includes('[law 9]'));
  expect(lawShortfalls(without)).toEqual([expect.stringMatching(/^law 9 \(No mass death\): 0 tests ran/)]);
  expect(lawShortfalls([...enough, 'x [law 11]'])).toEqual(['[law 11] is no law of the design']);
});
