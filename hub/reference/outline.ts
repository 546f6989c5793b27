import { matrix } from '../access.ts';
import { hubProblems } from '../http/problems.ts';
import type { ApiDocument } from './document.ts';

/**
 * What the pages about the API show, taken from the OpenAPI document: chapters of operations, the schemas they
 * name, the permission matrix and the problems. Printed by markdown.ts (docs/reference/api.md) and html.ts (/docs).
 * Texts may hold `code` in backticks and nothing else.
 */
export interface Outline {
  title: string;
  version: string;
  introduction: string;
  chapters: { name: string; operations: Operation[] }[];
  schemas: { name: string; description: string; fields: Field[] }[];
  permissions: Table;
  problems: Table;
}

export interface Operation {
  method: string;
  path: string;
  summary: string;
  description: string;
  parameters: Field[];
  body: string | undefined;
  bodyExample: string | undefined;
  answers: { status: string; content: string; description: string }[];
}

export interface Field {
  name: string;
  type: string;
  required: boolean;
  description: string;
}

export interface Table {
  head: readonly string[];
  rows: readonly (readonly string[])[];
}

interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  anyOf?: Schema[];
  items?: Schema;
  format?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
}

interface ApiOperation {
  tags: string[];
  summary: string;
  description: string;
  parameters?: { name: string; in: string; required?: boolean; description?: string; schema: Schema }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema; example?: unknown }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
}

export function outline(document: ApiDocument): Outline {
  const schemas = (document.components?.schemas ?? {}) as Record<string, Schema>;
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item as Record<string, ApiOperation>).map(([method, operation]) => ({
      tag: operation.tags[0]!,
      operation: toOperation(method, path, operation),
    })),
  );
  return {
    title: document.info.title,
    version: document.info.version,
    introduction: document.info.description ?? '',
    chapters: (document.tags ?? []).map(({ name }) => ({
      name,
      operations: operations.filter(({ tag }) => tag === name).map(({ operation }) => operation),
    })),
    schemas: Object.entries(schemas)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, schema]) => ({
        name,
        description: schema.description ?? '',
        fields: fieldsOf(schema, ''),
      })),
    permissions: {
      head: ['operation', 'key of the platform', 'key of a tenant (its own things only)'],
      rows: Object.entries(matrix).map(([operation, { platform, tenant }]) => [
        `\`${operation}\``,
        platform ?? 'nobody',
        tenant ?? 'nobody',
      ]),
    },
    problems: {
      head: ['code', 'status', 'title', 'meaning'],
      rows: Object.entries(hubProblems).map(([code, [status, title, meaning]]) => [
        `\`${code}\``,
        String(status),
        title,
        meaning,
      ]),
    },
  };
}

function toOperation(method: string, path: string, operation: ApiOperation): Operation {
  const content = Object.values(operation.requestBody?.content ?? {})[0];
  const body = content?.schema;
  const example = content?.example;
  return {
    method: method.toUpperCase(),
    path,
    summary: operation.summary,
    description: operation.description,
    parameters: (operation.parameters ?? []).map((parameter) => ({
      name: parameter.in === 'header' ? `${parameter.name} (header)` : parameter.name,
      type: typeText(parameter.schema),
      required: parameter.required ?? false,
      description: parameter.description ?? parameter.schema.description ?? '',
    })),
    body: body && typeText(body),
    bodyExample: example === undefined ? undefined : JSON.stringify(example, null, 2),
    answers: Object.entries(operation.responses).map(([status, response]) => {
      const content = Object.values(response.content ?? {})[0];
      return {
        status,
        content: content ? typeText(content.schema) : 'nothing',
        description: response.description,
      };
    }),
  };
}

/** A schema's fields, those of objects within it under dotted names. */
function fieldsOf(schema: Schema, prefix: string): Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = prefix + name;
    const inner = field.properties
      ? fieldsOf(field, `${path}.`)
      : field.items?.properties
        ? fieldsOf(field.items, `${path}[].`)
        : [];
    const required = schema.required?.includes(name) ?? false;
    return [{ name: path, type: typeText(field), required, description: field.description ?? '' }, ...inner];
  });
}

function typeText(schema: Schema): string {
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.anyOf) return schema.anyOf.map(typeText).join(' or ');
  if (schema.enum)
    return (
      schema.enum
        .filter((value) => value !== null)
        .map((value) => JSON.stringify(value))
        .join(' or ') + (schema.enum.includes(null) ? ' or null' : '')
    );
  const types = [schema.type ?? 'anything'].flat().map((type) => {
    if (type === 'array') return `list of ${typeText(schema.items ?? {})}`;
    if (type === 'string' && schema.format === 'date-time') return 'time';
    if (type === 'string' && schema.format === 'uri') return 'URL';
    return type;
  });
  const bounds =
    schema.minimum !== undefined && schema.maximum !== undefined
      ? ` from ${schema.minimum} to ${schema.maximum}`
      : '';
  return types.join(' or ') + bounds;
}

function nameOf(ref: string): string {
  return ref.split('/').at(-1)!;
}
