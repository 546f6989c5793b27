import entries from '../generated/catalogue.json' with { type: 'json' };

/**
 * The operations of the hub's API as the command line needs them: what each takes, in words and types. Generated from
 * the OpenAPI document, so that what the API learns to take, the command takes too.
 */
export interface CatalogueEntry {
  id: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  summary: string;
  description: string;
  pathFields: readonly Field[];
  queryFields: readonly Field[];
  /** The fields of the body; absent where the operation takes none. */
  bodyFields?: readonly Field[];
  /** The name of the schema it answers with; absent where it answers with nothing. */
  answer?: string;
}

export interface Field {
  name: string;
  /** `list`: of texts. */
  type: 'text' | 'number' | 'boolean' | 'list' | 'json';
  required: boolean;
  nullable: boolean;
  choices?: readonly string[];
  description: string;
}

const byId = new Map((entries as readonly CatalogueEntry[]).map((entry) => [entry.id, entry]));

export const catalogue: readonly CatalogueEntry[] = [...byId.values()];

/** @throws Error for an operation that the document has not got. */
export function operation(id: string): CatalogueEntry {
  const found = byId.get(id);
  if (!found) throw new Error(`the hub's API has no operation ${id}; run \`npm run docs:generate\``);
  return found;
}
