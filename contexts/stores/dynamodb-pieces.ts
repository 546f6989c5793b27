import type { Item } from './dynamodb-table.ts';

/**
 * An answer to a query, taken apart a piece at a time. A sweep holds pages of all partitions at once, and most of their
 * items wait: as text they are one string that the collector passes by, as objects it would copy every one of them,
 * more than once.
 *
 * Items are parted where one ends with a text or number and the next begins with the name of an attribute: `"}},{"` and
 * a letter. In DynamoDB's JSON that stands nowhere else. Where the second quote ends a text, what follows is no letter;
 * within a text it would have a backslash before it; and where it begins a name, what stands before it is no text, and
 * only items close two braces there: members of lists close one, or three. Where an item ends or begins otherwise, it is
 * in one piece with the next, and an answer printed with spaces is all one piece.
 */
export interface QueryAnswer {
  pieces: Iterable<Item[]>;
  LastEvaluatedKey?: Item;
}

const opening = '"Items":[';
const parting = '"}},{"';
const withinItem = '"}}'.length;
/** So many characters are taken apart at a time, and what is left of an item. */
const pieceCharsDefault = 32_768;

/** @throws SyntaxError where the text is no JSON; in `pieces`, where it only turns out later. */
export function takeApart(text: string, pieceChars = pieceCharsDefault): QueryAnswer {
  const begin = text.indexOf(opening) + opening.length;
  const end = text.length > pieceChars && begin > opening.length ? lastItemEnd(text) : -1;
  if (end < begin) {
    const { Items = [], LastEvaluatedKey } = JSON.parse(text);
    return { pieces: [Items], LastEvaluatedKey };
  }
  // The answer as it would be with its last item alone: what stands before and behind the items may be anything.
  const { Items, LastEvaluatedKey } = JSON.parse(text.slice(0, begin) + text.slice(end + 1));
  return { pieces: piecesOf(text, { begin, end, pieceChars }, Items), LastEvaluatedKey };
}

function* piecesOf(
  text: string,
  { begin, end, pieceChars }: { begin: number; end: number; pieceChars: number },
  lastItems: Item[],
): Generator<Item[]> {
  for (let from = begin; from < end; ) {
    const to = itemEnd(text, from + pieceChars, end);
    yield JSON.parse(`[${text.slice(from, to)}]`);
    from = to + 1;
  }
  yield lastItems;
}

/** Where an item ends that another follows: the first such place at or after `from`, `end` where there is none before it. */
function itemEnd(text: string, from: number, end: number): number {
  let at = text.indexOf(parting, from);
  while (at !== -1 && !isParting(text, at)) at = text.indexOf(parting, at + 1);
  return at === -1 ? end : Math.min(at + withinItem, end);
}

/** The last such place; -1 where there is none. */
function lastItemEnd(text: string): number {
  let at = text.lastIndexOf(parting);
  while (at > 0 && !isParting(text, at)) at = text.lastIndexOf(parting, at - 1);
  return at > 0 ? at + withinItem : -1;
}

function isParting(text: string, at: number): boolean {
  return /\w/.test(text.charAt(at + parting.length));
}
