import { describe, expect, test } from 'vitest';
import { problem } from '../../contexts/base/problem.ts';
import { problemExample } from '../../hub/reference/examples.ts';
import { breachHeader, ContractGuard } from './support/contract-guard.ts';

/** The guard through which every hub of the suite answers: what it lets through, and what it does not. */

const id = { 'spokecast-request-id': 'req_0123456789' };
const tenant = {
  id: 'ten_01k9c0v8w1e4qafk3s7m2t6xhz',
  name: 'Acme',
  status: 'active',
  quotas: { clusters: null, agentKeys: null, regions: null },
  allowedRegions: null,
  createdAt: '2026-11-21T09:30:00.000Z',
  updatedAt: '2026-11-21T09:30:00.000Z',
};
const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  Response.json(body, { status, headers: { ...id, ...headers } });
const refusal = (
  code: 'NOT_FOUND' | 'NAME_TAKEN' | 'UNAUTHENTICATED',
  headers: Record<string, string> = {},
) => {
  const { value } = problemExample(code);
  const { status } = value as { status: number };
  return json(status, value, { 'content-type': 'application/problem+json', ...headers });
};

async function answered(response: Response, path = `/v1/tenants/${tenant.id}`, method = 'GET') {
  const guard = new ContractGuard(() => response);
  const given = await guard.fetch(new Request(`http://hub.test${path}`, { method }), undefined as never);
  return { guard, given, breach: given.headers.has(breachHeader) ? await given.text() : undefined };
}

describe('the contract lets through', () => {
  test.each<[string, Response]>([
    ['what is declared', json(200, tenant, { etag: '"x"' })],
    ['a refusal that is declared', refusal('NOT_FOUND')],
    ['what it must carry', refusal('UNAUTHENTICATED', { 'www-authenticate': 'Bearer' })],
  ])('%s', async (_, response) => {
    const { guard, given, breach } = await answered(response);
    expect(breach).toBeUndefined();
    expect(given).toBe(response);
    guard[Symbol.dispose]();
  });
});

describe('the contract does not let through', () => {
  test.each<[string, Response, string]>([
    ['an undeclared status', json(418, tenant), 'does not know this status'],
    [
      'a field that is missing',
      json(200, { ...tenant, name: undefined }),
      "must have required property 'name'",
    ],
    ['a field too many', json(200, { ...tenant, verifier: 'x' }), 'must NOT have additional properties'],
    ['a value of another type', json(200, { ...tenant, createdAt: 'now' }), 'date-time'],
    [
      'an undeclared header',
      json(200, tenant, { 'spokecast-internal': '1' }),
      'spokecast-internal is not declared',
    ],
    ['a missing header', refusal('UNAUTHENTICATED'), 'www-authenticate is missing'],
    [
      'a header out of its values',
      json(200, tenant, { etag: '"x"', 'x-node': 'a' }),
      'x-node is not declared',
    ],
    [
      'another content type',
      new Response('<p>', { headers: { ...id, 'content-type': 'text/html' } }),
      'text/html',
    ],
    ['a problem of other operations', refusal('NAME_TAKEN'), 'does not know this status'],
    [
      'an undeclared code',
      json(404, problem(404, 'LOST', 'Lost'), { 'content-type': 'application/problem+json' }),
      'LOST',
    ],
    ['an answer without a request id', Response.json(tenant), 'no request id'],
  ])('%s', async (_, response, words) => {
    const { guard, given, breach } = await answered(response);
    expect(given.status).toBe(500);
    expect(breach).toContain(words);
    expect(() => guard[Symbol.dispose]()).toThrow(words);
  });

  test('a refusal without a problem document where there is no operation', async () => {
    const { guard, breach } = await answered(json(404, { error: 'no' }), '/v2/nothing');
    expect(breach).toContain('GET /v2/nothing -> 404');
    expect(() => guard[Symbol.dispose]()).toThrow();
  });
});
