import { problem } from '../../contexts/base/problem.ts';
import { type HubProblemCode, hubProblems } from '../http/problems.ts';

/** As much of a JSON schema as an example is made from. */
export interface ExampleSchema {
  $ref?: string;
  example?: unknown;
  type?: string | readonly string[];
  enum?: readonly unknown[];
  anyOf?: readonly ExampleSchema[];
  items?: ExampleSchema;
  format?: string;
  minimum?: number;
  properties?: Readonly<Record<string, ExampleSchema>>;
  required?: readonly string[];
}

export type ExampleSchemas = Readonly<Record<string, ExampleSchema>>;

/**
 * A value that fits the schema and reads like a real one: what the schema gives as its example, else made of its
 * parts. Optional fields are in it where they have an example of their own, for some exclude each other.
 * @throws Error for a text that has no example: nothing made up would tell a reader what stands there.
 */
export function exampleOf(schema: ExampleSchema, schemas: ExampleSchemas, where: string): unknown {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice(schema.$ref.lastIndexOf('/') + 1);
    return exampleOf(schemas[name]!, schemas, name);
  }
  if ('example' in schema) return schema.example;
  if (schema.anyOf) {
    const chosen = schema.anyOf.find(({ type }) => type !== 'null') ?? schema.anyOf[0]!;
    return exampleOf(chosen, schemas, where);
  }
  if (schema.enum) return schema.enum.find((value) => value !== null) ?? null;
  const type = [schema.type ?? []].flat().find((one) => one !== 'null');
  switch (type) {
    case 'object':
      return exampleOfObject(schema, schemas, where);
    case 'array':
      return [exampleOf(schema.items ?? {}, schemas, `${where}[]`)];
    case 'integer':
    case 'number':
      return schema.minimum ?? 0;
    case 'boolean':
      return false;
    case 'string':
      if (schema.format === 'uri') return 'https://upstream.example:8443';
      throw new Error(`${where} needs an example: give its schema one with .openapi({ example })`);
    default:
      throw new Error(`${where} needs an example: nothing can be made for the type ${type}`);
  }
}

function exampleOfObject(schema: ExampleSchema, schemas: ExampleSchemas, where: string): object {
  const { properties = {}, required = [] } = schema;
  const shown = Object.entries(properties).filter(
    ([name, property]) => required.includes(name) || 'example' in property,
  );
  return Object.fromEntries(
    shown.map(([name, property]) => [name, exampleOf(property, schemas, `${where}.${name}`)]),
  );
}

/** What the hub answers with that problem, as far as it is the same every time. */
export function problemExample(code: HubProblemCode): { summary: string; value: object } {
  const [status, title, meaning] = hubProblems[code];
  const more = { detail: meaning, ...(exampleErrors[code] ? { errors: exampleErrors[code] } : {}) };
  return { summary: title, value: problem(status, code, title, more) };
}

/** The fields that are blamed, for problems that blame one. */
const exampleErrors: Partial<Record<HubProblemCode, readonly { pointer: string; detail: string }[]>> = {
  VALIDATION_FAILED: [
    { pointer: '/name', detail: 'is required' },
    { pointer: '?limit', detail: 'must be from 1 to 200' },
  ],
  NAME_TAKEN: [{ pointer: '/name', detail: 'a tenant is called "Acme"' }],
  REGION_UNKNOWN: [{ pointer: '/placements/0/region', detail: 'there is no region mars-1' }],
};
