import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson } from '../../../hub/http/json.ts';

test('parseJson takes what JSON.parse takes, and points into what it does not', () => {
  const damaged = fc
    .tuple(
      fc.json(),
      fc.nat(200),
      fc.constantFrom('', '{', '}', '[', ']', ',', ':', '"', '\\', ' ', '\n', '0', 'x', '-'),
    )
    .map(([text, at, put]) => text.slice(0, at) + put + text.slice(at + 1));
  fc.assert(
    fc.property(damaged, (text) => {
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      const result = parseJson(text);
      expect(result.outcome === 'malformed').toBe(!valid);
      if (result.outcome !== 'malformed') return;
      const lines = text.split('\n');
      expect(result.line).toBeLessThanOrEqual(lines.length);
      expect(result.column).toBeLessThanOrEqual(lines[result.line - 1]!.length + 1);
      // Everything before the position could still have become JSON: no shorter text is refused for another reason.
      const offset =
        lines.slice(0, result.line - 1).join('\n').length + (result.line > 1 ? 1 : 0) + result.column - 1;
      const again = parseJson(`${text.slice(0, offset)}\u0001`);
      expect(again).toMatchObject({ outcome: 'malformed', line: result.line, column: result.column });
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ['['.repeat(60_000)],
  [`${'['.repeat(60_000)}${']'.repeat(60_000)}`],
  [`{"a":`.repeat(10_000)],
  ['"'.repeat(65_535)],
  ['9'.repeat(65_536)],
])('what is made to be slow or deep is refused: %.8s', (text) => {
  expect(parseJson(text).outcome).not.toBe('parsed');
});
