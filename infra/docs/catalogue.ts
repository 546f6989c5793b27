import { hubApiDocument } from '../../hub/reference/api.ts';
import type { CatalogueEntry, Field } from '../bin/api/catalogue.ts';
import { type ApiDocument, type ApiOperation, jsonOf, operationsOf, type Schema } from './client-types.ts';

/** infra/bin/generated/catalogue.json: what the command line knows of each operation. */
export function catalogueFile(): string {
  const document = hubApiDocument() as unknown as ApiDocument;
  const { schemas } = document.components;
  const entries = operationsOf(document).map(({ method, path, operation }): CatalogueEntry => {
    const [, answered] = Object.entries(operation.responses).find(([status]) => status.startsWith('2'))!;
    const answer = jsonOf(answered)?.$ref;
    const body = operation.requestBody && resolved(jsonOf(operation.requestBody)!, schemas);
    return {
      id: operation.operationId,
      method: method.toUpperCase() as CatalogueEntry['method'],
      path,
      summary: operation.summary,
      description: operation.description ?? '',
      pathFields: parametersOf(operation, 'path', schemas),
      queryFields: parametersOf(operation, 'query', schemas),
      ...(body ? { bodyFields: fieldsOf(body, schemas) } : {}),
      ...(answer === undefined ? {} : { answer: nameOf(answer) }),
    };
  });
  return `${JSON.stringify(entries, null, 1)}\n`;
}

type Schemas = ApiDocument['components']['schemas'];

function parametersOf(operation: ApiOperation, place: 'path' | 'query', schemas: Schemas): Field[] {
  return (operation.parameters ?? [])
    .filter((parameter) => parameter.in === place)
    .map(({ name, required = false, schema, description }) =>
      fieldOf(name, required, { ...schema, description: description ?? schema.description ?? '' }, schemas),
    );
}

function fieldsOf(schema: Schema, schemas: Schemas): Field[] {
  return Object.entries(schema.properties ?? {}).map(([name, property]) =>
    fieldOf(name, schema.required?.includes(name) ?? false, property, schemas),
  );
}

function fieldOf(name: string, required: boolean, given: Schema, schemas: Schemas): Field {
  const schema = resolved(given, schemas);
  const types = [schema.type ?? []].flat();
  const choices = (schema.enum ?? []).filter((one) => typeof one === 'string');
  const main = types.find((one) => one !== 'null');
  return {
    name,
    type: typeName(schema, choices.length > 0, main),
    required,
    nullable: types.includes('null'),
    ...(choices.length > 0 ? { choices } : {}),
    description: given.description ?? schema.description ?? '',
  };
}

function typeName(schema: Schema, isChoice: boolean, main: string | undefined): Field['type'] {
  if (main === 'string' || isChoice) return 'text';
  if (main === 'integer' || main === 'number') return 'number';
  if (main === 'array' && schema.items?.type === 'string') return 'list';
  return main === 'boolean' ? 'boolean' : 'json';
}

function resolved(schema: Schema, schemas: Schemas): Schema {
  return schema.$ref === undefined ? schema : schemas[nameOf(schema.$ref)]!;
}

function nameOf(ref: string): string {
  return ref.slice(ref.lastIndexOf('/') + 1);
}
