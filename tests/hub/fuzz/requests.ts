import fc from 'fast-check';
import { document } from '../support/contract.ts';
import { mutated, type Schema, type Sources, troubleText, wellFormed } from './values.ts';

/** An operation of the document, as far as requests are made from it. */
export interface Operation {
  method: string;
  path: string;
  name: string;
  parameters: readonly {
    name: string;
    in: 'path' | 'query' | 'header';
    required?: boolean;
    schema: Schema;
  }[];
  body: Schema | undefined;
}

export const operations: readonly Operation[] = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
  Object.entries(item as object).map(([method, operation]) => ({
    method: method.toUpperCase(),
    path,
    name: `${method.toUpperCase()} ${path}`,
    parameters: operation.parameters ?? [],
    body: operation.requestBody?.content['application/json'].schema,
  })),
);

export interface FuzzRequest {
  path: string;
  query: string;
  headers: Record<string, string>;
  text: string | undefined;
}

/** What earlier answers gave, to be sent where it does not belong as well as where it does. */
export interface Gathered {
  cursors: string[];
  etags: string[];
}

/** Requests for one operation: most of each is well-formed, so that what is not gets past the first check. */
export function requestsFor(
  operation: Operation,
  sources: Sources,
  gathered: Gathered,
): fc.Arbitrary<FuzzRequest> {
  const of = (place: string) => operation.parameters.filter((parameter) => parameter.in === place);
  return fc.record({
    path: fc
      .tuple(...of('path').map(({ schema }) => oftenWell(wellFormed(schema, sources), troubleText)))
      .map((values) => filled(operation.path, values as unknown[])),
    query: queries(of('query'), sources, gathered),
    headers: headersFor(operation, gathered),
    text: bodies(operation.body, sources),
  });
}

/** The operation as it is meant to be used, on each thing that there is: what must work, and where most is to be seen. */
export function plainRequests(operation: Operation, { ids }: Sources): FuzzRequest[] {
  const named = operation.parameters.filter((parameter) => parameter.in === 'path');
  const plain = { query: '', headers: {}, text: undefined };
  if (named.length === 0) return [{ path: operation.path, ...plain }];
  if (named.length === 2) {
    const kinds: Record<string, readonly string[]> = {
      tenant: ids.ten!,
      cluster: ids.vci!,
      'agent-key': ids.aki!,
    };
    return Object.entries(kinds).flatMap(([kind, keys]) =>
      keys.map((key) => ({ path: filled(operation.path, [kind, key]), ...plain })),
    );
  }
  const pattern = named[0]!.schema.pattern ?? '';
  const [, known] = Object.entries(ids).find(([prefix]) => pattern.startsWith(`^${prefix}_`)) ?? [
    '',
    ids.region!,
  ];
  return known.map((id) => ({ path: filled(operation.path, [id]), ...plain }));
}

function filled(path: string, values: unknown[]): string {
  let at = 0;
  return path.replaceAll(/\{\w+\}/g, () => encodeURIComponent(String(values[at++]).toWellFormed()));
}

function oftenWell(well: fc.Arbitrary<unknown>, wrong: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 6, arbitrary: well }, { weight: 1, arbitrary: wrong });
}

function queries(
  parameters: Operation['parameters'],
  sources: Sources,
  gathered: Gathered,
): fc.Arbitrary<string> {
  const pairs = parameters.map(({ name, schema }) => {
    const well = name === 'cursor' ? cursors(gathered) : wellFormed(schema, sources);
    // Nobody publishes here: what waits, waits for as long as it is told.
    const wrong = name === 'timeoutMs' ? fc.constantFrom('', '-1', '1.5', '60001', '1e3', 'x') : troubleText;
    const values = name === 'timeoutMs' ? fc.integer({ min: 0, max: 20 }) : well;
    return onceIn(name === 'cursor' ? 8 : 4, fc.tuple(fc.constant(name), oftenWell(values, wrong)));
  });
  const more = onceIn(12, fc.tuple(troubleText, troubleText));
  const again = onceIn(16, fc.nat());
  return fc.tuple(more, again, ...pairs).map(([extra, twice, ...given]) => {
    const all = [...given, extra].filter((pair) => pair !== undefined) as [string, unknown][];
    if (twice !== undefined && all.length > 0) all.push(all[twice % all.length]!);
    if (all.some(([name]) => name === 'wait') && !all.some(([name]) => name === 'timeoutMs'))
      all.push(['timeoutMs', 5]);
    const text = all
      .map((pair) => pair.map((part) => encodeURIComponent(String(part).toWellFormed())).join('='))
      .join('&');
    return text === '' ? '' : `?${text}`;
  });
}

/** The value in one case of `cases`, else undefined. */
function onceIn<Value>(cases: number, value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> {
  return fc.oneof({ weight: cases - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
}

function cursors(gathered: Gathered): fc.Arbitrary<string> {
  const made = fc
    .tuple(fc.constantFrom('tenants', 'clusters', 'holds', 'gateways', 'audit-log', 'x'), troubleText)
    .map(([list, after]) => Buffer.from(`${list}/${after}`).toString('base64url'));
  return fc.oneof(made, fromGathered(gathered, 'cursors'));
}

/** Drawn when it is used: what is gathered grows as the requests go. */
function fromGathered(gathered: Gathered, which: keyof Gathered): fc.Arbitrary<string> {
  return fc.nat().map((at) => gathered[which][at % Math.max(1, gathered[which].length)] ?? 'none');
}

function headersFor(operation: Operation, gathered: Gathered): fc.Arbitrary<Record<string, string>> {
  const text = fc.string({
    unit: fc
      .integer({ min: 0x21, max: 0xff })
      .filter((code) => code !== 0x7f)
      .map((code) => String.fromCharCode(code)),
    maxLength: 300,
  });
  const rarely = (value: fc.Arbitrary<string>) => onceIn(4, value);
  return fc
    .record({
      'idempotency-key': rarely(fc.oneof(fc.constantFrom('a', 'b', 'c'), fc.uuid(), text)),
      'if-match': rarely(
        fc.oneof(fc.constantFrom('*', '""', 'W/"x"', '"a", "b"', ','), fromGathered(gathered, 'etags'), text),
      ),
      'last-event-id':
        operation.path === '/v1/events'
          ? rarely(fc.oneof(fc.constantFrom('0', '1-1', '-1'), text))
          : fc.constant(undefined),
      'spokecast-request-id': onceIn(10, text),
      'content-type': onceIn(
        20,
        fc.constantFrom(
          'text/plain',
          'application/json; charset=latin1',
          'application/merge-patch+json',
          'x',
        ),
      ),
      'content-encoding': onceIn(40, fc.constantFrom('gzip', 'identity', '')),
    })
    .map(
      (all) =>
        Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Record<
          string,
          string
        >,
    );
}

function bodies(schema: Schema | undefined, sources: Sources): fc.Arbitrary<string | undefined> {
  if (schema === undefined)
    return fc.oneof(
      { weight: 12, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.constantFrom('{}', '[]', 'null', 'x', '{"a":1}') },
    );
  const well = wellFormed(schema, sources);
  const broken = fc.constantFrom(
    undefined,
    '',
    '{',
    '{"name":}',
    '\u0000',
    '[[[[',
    '"',
    'null',
    '1e999',
    '{"a":1,"a":2}',
  );
  return fc.oneof(
    { weight: 6, arbitrary: well.map((value) => JSON.stringify(value)) },
    { weight: 5, arbitrary: mutated(well).map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: broken },
  );
}
