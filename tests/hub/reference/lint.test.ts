import { expect, test } from 'vitest';
import { hubApiDocument } from '../../../hub/reference/api.ts';
import { lintDocument } from './lint.ts';

test('the linter passes the OpenAPI document, and refuses one that lost an example, a description or a header', {
  timeout: 120_000,
}, async () => {
  const broken = structuredClone(hubApiDocument()) as unknown as Broken;
  const { get } = broken.paths['/v1/tenants']!;
  delete get.description;
  delete get.responses['200'].content['application/json'].example;
  delete get.responses['401'].headers['spokecast-request-id'];
  const [whole, faulty] = await Promise.all([lintDocument(), lintDocument(broken)]);
  expect(whole, whole.said).toMatchObject({ outcome: 'clean' });
  expect(faulty.outcome).toBe('faulty');
  expect(faulty.said).toContain('operation-description');
  expect(faulty.said).toContain('every-body-has-an-example');
  expect(faulty.said).toContain('response-contains-header');
});

interface Broken {
  paths: Record<
    string,
    {
      get: {
        description?: string;
        responses: {
          200: { content: { 'application/json': { example?: unknown } } };
          401: { headers: Record<string, unknown> };
        };
      };
    }
  >;
}
