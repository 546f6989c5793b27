/** Text for people: columns under headings, and names beside values. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a terminal must not be given
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** A value as one line: what came from elsewhere cannot move the cursor or colour the screen. */
export function cell(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.replaceAll(unprintable, '?');
}

/** Nothing is in it that a terminal must not be given. */
export function isPrintable(text: string): boolean {
  return cell(text) === text || text === '';
}

/** Columns as wide as their widest cell; the last is cut to the screen. */
export function table(
  head: readonly string[],
  rows: readonly (readonly unknown[])[],
  columns: number = Number.POSITIVE_INFINITY,
): string {
  const lines = [head.map((name) => name.toUpperCase()), ...rows.map((row) => row.map(cell))];
  const widths = head.map((_, index) => Math.max(...lines.map((line) => (line[index] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((text, index) => text.padEnd(widths[index]!))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => (line.length > columns ? `${line.slice(0, Math.max(1, columns - 1))}…` : line))
    .join('\n');
}

/** One thing: a line a field. */
export function fields(thing: object): string {
  const entries = Object.entries(thing);
  const width = Math.max(0, ...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${cell(value)}`).join('\n');
}
