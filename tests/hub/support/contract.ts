import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { openApiDocument } from '../../../hub/reference/document.ts';
import { routes } from '../../../hub/routes.ts';

/** The API as its document describes it. */
export const document = openApiDocument(routes);

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $id: 'https://hub.test/api', ...document });

const patterns = Object.keys(document.paths ?? {}).map((path) => ({
  path,
  matches: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
}));

/**
 * Throws unless an answer is one the document knows: the status is declared for the operation, and the body fits
 * its schema. Paths that are no operation must answer with a problem document, unless they are pages.
 */
export function checkAgainstContract(
  method: string,
  pathAndQuery: string,
  answer: { status: number; headers: Headers; body: unknown },
): void {
  const where = `${method} ${pathAndQuery} -> ${answer.status}`;
  if (!answer.headers.get('spokecast-request-id')) throw new Error(`${where}: no request id`);
  const path = pathAndQuery.split('?')[0]!;
  const known = patterns.find(({ matches }) => matches.test(path))?.path;
  const item =
    known === undefined
      ? undefined
      : (document.paths![known] as Record<
          string,
          { responses: Record<string, { content?: Record<string, unknown> }> }
        >);
  const operation = item?.[method.toLowerCase()];
  if (!operation) {
    if (answer.status >= 400) check('https://hub.test/api#/components/schemas/Problem', answer.body, where);
    return;
  }
  const response = operation.responses[answer.status];
  if (!response)
    throw new Error(`${where}: the document does not know this status; ${JSON.stringify(answer.body)}`);
  const type = answer.headers.get('content-type')?.split(';')[0];
  if (!response.content) {
    if (answer.body !== '') throw new Error(`${where}: a body where there should be none`);
    return;
  }
  if (!type || !(type in response.content)) throw new Error(`${where}: content type ${type}`);
  const pointer = [
    'paths',
    known!,
    method.toLowerCase(),
    'responses',
    String(answer.status),
    'content',
    type,
    'schema',
  ];
  check(
    `https://hub.test/api#/${pointer.map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`,
    answer.body,
    where,
  );
}

function check(reference: string, value: unknown, where: string): void {
  const validate = ajv.getSchema(reference);
  if (!validate) throw new Error(`${where}: no schema at ${reference}`);
  if (!validate(value))
    throw new Error(`${where}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`);
}
