import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { problemContentType } from '../../../contexts/base/problem.ts';
import { pointerStep } from '../../../hub/http/json.ts';
import { openApiDocument } from '../../../hub/reference/document.ts';
import { routes } from '../../../hub/routes.ts';

/** The API as its document describes it. */
export const document = openApiDocument(routes);

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $id: 'https://hub.test/api', ...document });

interface Declared {
  headers?: Record<string, { required?: boolean }>;
  content?: Record<string, unknown>;
}
type Item = Record<string, { responses: Record<string, Declared> }>;

const patterns = Object.keys(document.paths ?? {}).map((path) => ({
  path,
  matches: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
}));

/** What every answer over HTTP may carry without a word. */
const plumbing = new Set([
  ...['cache-control', 'connection', 'content-length', 'content-type', 'date', 'keep-alive'],
  ...['transfer-encoding', 'x-content-type-options'],
]);

export interface Answered {
  status: number;
  headers: Headers;
  /** As it was sent. */
  text: string;
}

/**
 * What is wrong with an answer by the document: a status, a header, a content type or a body that is not declared
 * for the operation, or a header that is declared as always there and is not. Undefined where nothing is. What is no
 * operation must refuse with a problem document.
 */
export function breachOf(method: string, path: string, answer: Answered): string | undefined {
  const fault = faultOfAnswer(method, path, answer);
  return fault && `${method} ${path} -> ${answer.status}: ${fault}`;
}

function faultOfAnswer(
  method: string,
  path: string,
  { status, headers, text }: Answered,
): string | undefined {
  if (!headers.get('spokecast-request-id')) return 'no request id';
  const known = patterns.find(({ matches }) => matches.test(path))?.path;
  const verb = method.toLowerCase();
  const operation = known === undefined ? undefined : (document.paths![known] as Item)[verb];
  if (!operation) {
    const isPage = headers.get('content-type')?.startsWith('text/html') && !path.startsWith('/v1');
    return status >= 400 && !isPage ? faultOf('/components/schemas/Problem', parsed(text)) : undefined;
  }

  const at = ['paths', known!, verb, 'responses', String(status)];
  const declared = operation.responses[status];
  if (!declared) return `the document does not know this status; ${text}`;
  const badHeader = faultOfHeaders(at, declared, headers);
  if (badHeader) return badHeader;
  if (!declared.content) return text === '' ? undefined : 'a body where there should be none';
  const type = headers.get('content-type')?.split(';')[0] ?? 'none';
  if (!(type in declared.content)) return `the content type ${type} is not declared`;
  if (type === problemContentType && !isDeclaredCode(declared, parsed(text)))
    return `this problem is not declared; ${text}`;
  if (type === 'text/event-stream') return undefined;
  return faultOf(pointerOf([...at, 'content', type, 'schema']), parsed(text));
}

function faultOfHeaders(
  at: string[],
  { headers: known = {} }: Declared,
  headers: Headers,
): string | undefined {
  for (const [name, { required }] of Object.entries(known)) {
    const value = headers.get(name);
    if (value === null) {
      if (required) return `the header ${name} is missing`;
      continue;
    }
    const fault = faultOf(pointerOf([...at, 'headers', name, 'schema']), value);
    if (fault) return `the header ${name}: ${fault}`;
  }
  const unknown = [...headers.keys()].find((name) => !(name in known) && !plumbing.has(name));
  return unknown === undefined ? undefined : `the header ${unknown} is not declared`;
}

/** The examples of a refusal are the codes it may have. */
function isDeclaredCode({ content }: Declared, body: unknown): boolean {
  const { examples } = content![problemContentType] as { examples: object };
  return String((body as { code?: unknown })?.code) in examples;
}

/** What is wrong with `value` by the schema at that pointer into the document; undefined where nothing is. */
export function faultOf(pointer: string, value: unknown): string | undefined {
  const shared = (schemaAt(pointer) as { $ref?: string } | undefined)?.$ref; // compiled once, not once a place
  if (shared !== undefined) return faultOf(shared.slice(1), value);
  const validate = ajv.getSchema(
    `https://hub.test/api#${pointer.split('/').map(encodeURIComponent).join('/')}`,
  );
  if (!validate) return `no schema at ${pointer}`;
  return validate(value) ? undefined : `${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`;
}

function schemaAt(pointer: string): unknown {
  const steps = pointer.split('/').slice(1);
  return steps.reduce<unknown>(
    (node, step) => (node as Record<string, unknown>)?.[step.replaceAll('~1', '/').replaceAll('~0', '~')],
    document,
  );
}

export function pointerOf(steps: readonly string[]): string {
  return steps.map(pointerStep).join('');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
