import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, test } from 'vitest';
import { matrix } from '../../../hub/access.ts';
import { hubProblems } from '../../../hub/http/problems.ts';
import { apiPage } from '../../../hub/reference/markdown.ts';
import { routes } from '../../../hub/routes.ts';
import { document, faultOf, pointerOf } from '../support/contract.ts';

interface Operation {
  operationId: string;
  summary: string;
  description: string;
  security: unknown[];
}
interface Media {
  example?: unknown;
  examples?: Record<string, unknown>;
}

/** Every body, asked and answered, with the pointer to it. */
function* mediaTypes(): Generator<[string, Media]> {
  type Bodies = { content?: Record<string, Media> };
  const bodiesOf = function* (pointer: string[], { content = {} }: Bodies): Generator<[string, Media]> {
    for (const [type, media] of Object.entries(content))
      yield [pointerOf([...pointer, 'content', type]), media];
  };
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(item as object)) {
      const at = ['paths', path, method];
      yield* bodiesOf([...at, 'requestBody'], operation.requestBody ?? {});
      for (const [status, response] of Object.entries(operation.responses as Record<string, Bodies>))
        yield* bodiesOf([...at, 'responses', status], response);
    }
  }
}

const operations = Object.values(document.paths ?? {}).flatMap((item) =>
  Object.values(item as Record<string, Operation>),
);

describe('the OpenAPI document', () => {
  test('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(document) as never);
    expect(errors ?? []).toEqual([]);
    expect(valid).toBe(true);
    expect(validator.version).toBe('3.1');
  });

  test('names, describes and secures every operation', () => {
    expect(operations).toHaveLength(routes.length);
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    for (const { operationId, summary, description, security } of operations) {
      expect([operationId, summary.length > 10, description.length > 10, security]).toEqual([
        operationId,
        true,
        true,
        [{ applicationKey: [] }],
      ]);
    }
  });

  test('has at every body an example that fits its schema', () => {
    const wrong: string[] = [];
    let examples = 0;
    for (const [pointer, media] of mediaTypes()) {
      const values =
        media.example === undefined
          ? Object.keys(media.examples ?? {}).map(
              (code) => (document.components!.examples![code] as { value: unknown }).value,
            )
          : [media.example];
      if (values.length === 0) wrong.push(`${pointer}: none`);
      for (const value of values) {
        examples += 1;
        const fault = faultOf(`${pointer}/schema`, value);
        if (fault) wrong.push(`${pointer}: ${fault}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(examples).toBeGreaterThan(operations.length * 5);
  });

  test('says what every chapter and every parameter is', () => {
    for (const { name, description } of document.tags!)
      expect([name, description]).toEqual([name, expect.any(String)]);
    expect(new Set(document.tags!.map(({ name }) => name))).toEqual(new Set(routes.map(({ tag }) => tag)));
  });

  test('does not describe verifiers, nor secrets where they are read', () => {
    const schemas = document.components!.schemas as Record<string, object>;
    expect(
      JSON.stringify(
        Object.values(schemas).map((schema) =>
          Object.keys((schema as { properties?: object }).properties ?? {}),
        ),
      ),
    ).not.toContain('verifier');
    for (const [name, schema] of Object.entries(schemas)) {
      if (!name.endsWith('Created'))
        expect(Object.keys((schema as { properties?: object }).properties ?? {})).not.toContain('secret');
    }
  });
});

test('every row of the permission matrix and every problem is in use', () => {
  expect(new Set(routes.map(({ operation }) => operation))).toEqual(new Set(Object.keys(matrix)));
  for (const [code, [status]] of Object.entries(hubProblems))
    expect([code, status >= 400 && status < 600]).toEqual([code, true]);
});

test('docs/reference/api.md says what the routes say', () => {
  const path = fileURLToPath(new URL('../../../docs/reference/api.md', import.meta.url));
  expect(readFileSync(path, 'utf8'), 'run `npm run docs:generate` and commit the page').toBe(apiPage());
});
