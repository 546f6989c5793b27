import fc from 'fast-check';

/** As much of a JSON schema as values are drawn from. */
export interface Schema {
  $ref?: string;
  type?: string | readonly string[];
  enum?: readonly unknown[];
  anyOf?: readonly Schema[];
  items?: Schema;
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
  pattern?: string;
  format?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
}

/** Where values come from that mean something to the hub under test. */
export interface Sources {
  schemas: Readonly<Record<string, Schema>>;
  /** Ids that exist, by their prefix; of regions under `region`. */
  ids: Readonly<Record<string, readonly string[]>>;
}

/** Texts that have been trouble somewhere. */
export const trouble: readonly string[] = [
  ...['', ' ', '\0', '\u202e', '\ud800', '\u{1f4a9}', 'é', '\r\n', '\t', '"', "'", '\\', '`', '%', '%00'],
  ...[
    '%2e%2e',
    '..',
    '.',
    '../../etc/passwd',
    '//',
    '?',
    '#',
    '&',
    ';',
    '*',
    'null',
    'undefined',
    'NaN',
    '[]',
  ],
  ...[
    '{}',
    '__proto__',
    'constructor',
    'toString',
    "' or 1=1 --",
    '$1',
    '#{7*7}',
    '<script>',
    '-0',
    '-1',
    '0x10',
  ],
  ...[
    '1e309',
    '9007199254740993',
    '2147483648',
    '00000000000000000000',
    'true',
    'x'.repeat(300),
    'é'.repeat(2000),
  ],
];

export const troubleText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...trouble),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

const troubleValue: fc.Arbitrary<unknown> = fc.oneof(
  troubleText,
  fc.constantFrom(null, true, 0, -1, 1.5, 1e308, Number.MAX_SAFE_INTEGER, 2 ** 31, [], {}, [[]], [null]),
  fc.jsonValue({ maxDepth: 3 }),
  fc.constant(JSON.parse('{"__proto__":{"a":1}}')),
);

/** Values that fit the schema, as far as it says everything. */
export function wellFormed(schema: Schema, sources: Sources): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined)
    return wellFormed(sources.schemas[schema.$ref.slice(schema.$ref.lastIndexOf('/') + 1)]!, sources);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => wellFormed(one, sources)));
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const types = [schema.type ?? []].flat();
  return fc.oneof(
    ...(types.length > 0 ? types.map((type) => ofType(type, schema, sources)) : [fc.jsonValue()]),
  );
}

function ofType(type: string, schema: Schema, sources: Sources): fc.Arbitrary<unknown> {
  switch (type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
    case 'number':
      return fc.integer({ min: schema.minimum ?? -1000, max: schema.maximum ?? 100_000 });
    case 'array':
      return fc.array(wellFormed(schema.items ?? {}, sources), {
        minLength: schema.minItems ?? 0,
        maxLength: 3,
      });
    case 'object':
      return schema.properties
        ? fc.record(
            Object.fromEntries(
              Object.entries(schema.properties).map(([name, property]) => [
                name,
                wellFormed(property, sources),
              ]),
            ),
            { requiredKeys: [...(schema.required ?? [])] },
          )
        : fc.dictionary(fc.string({ maxLength: 20 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 });
    default:
      return text(schema, sources);
  }
}

function text(
  { pattern, format, minLength = 0, maxLength = 60 }: Schema,
  { ids }: Sources,
): fc.Arbitrary<string> {
  const known = Object.entries(ids).find(([prefix]) => pattern?.startsWith(`^${prefix}_`));
  if (known) return fc.constantFrom(...known[1]);
  if (pattern === '^[a-z0-9-]{2,40}$') return fc.constantFrom(...ids.region!);
  if (format === 'date-time')
    return fc
      .date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
      .map((at) => at.toISOString());
  if (format === 'uri') return fc.webUrl();
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern), { maxLength });
  return fc.string({ minLength, maxLength: Math.min(maxLength, 60) });
}

/** A well-formed value with something wrong in it somewhere, or something wrong altogether. */
export function mutated(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 1, arbitrary: troubleValue },
    {
      weight: 5,
      arbitrary: fc
        .tuple(value, fc.nat(), fc.constantFrom('replace', 'remove', 'add'), troubleValue, troubleText)
        .map(mutate),
    },
  );
}

function mutate([value, place, how, wrong, name]: [unknown, number, string, unknown, string]): unknown {
  const copy = structuredClone(value);
  const objects = objectsIn(copy);
  if (objects.length === 0) return wrong;
  const target = objects[place % objects.length]!;
  const keys = Object.keys(target);
  const key = keys[place % Math.max(1, keys.length)];
  if (how === 'add' || key === undefined) define(target, name, wrong);
  else if (how === 'remove') delete target[key];
  else define(target, key, wrong);
  return copy;
}

/** Also where the name is `__proto__`, which an assignment would swallow. */
function define(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}

function objectsIn(value: unknown): Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return [];
  const inner = Object.values(value).flatMap(objectsIn);
  return Array.isArray(value) ? inner : [value as Record<string, unknown>, ...inner];
}
