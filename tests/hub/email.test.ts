import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { email } from '../../hub/api/users/user.ts';
import { document } from './support/contract.ts';

const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
const isOfFormat = ajv.compile({ type: 'string', format: 'email' });

test.each([
  ['Ann@Example.com ', 'ann@example.com'],
  ["o'hara+x@mail.example.co.uk", "o'hara+x@mail.example.co.uk"],
  ['a@xn--bcher-kva.example', 'a@xn--bcher-kva.example'],
  [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
])('%j is an address', (given, taken) => {
  expect(email.parse(given)).toBe(taken);
});

test.each([
  'ann',
  'ann@example',
  '@example.com',
  'a..b@example.com',
  '.a@example.com',
  'a.@example.com',
  'ann@-example.com',
  'ann@example-.com',
  'ann@example.com-',
  'ann@example..com',
  'ann@exa_mple.com',
  `${'a'.repeat(65)}@example.com`,
  `ann@${'a'.repeat(64)}.com`,
])('%j is none', (given) => {
  expect(email.safeParse(given).error?.issues.map(({ message }) => message)).toEqual([
    'must be an address like ann@example.com',
  ]);
});

test('whatever is taken is of the format that the document promises of answers', () => {
  const schemas = document.components!.schemas as unknown as Record<
    string,
    { properties: { email: { pattern: string } } }
  >;
  const pattern = new RegExp(schemas.User!.properties.email.pattern);
  fc.assert(
    fc.property(fc.stringMatching(pattern, { maxLength: 60 }), (address) => {
      const taken = email.safeParse(address);
      if (taken.success) expect(isOfFormat(taken.data), taken.data).toBe(true);
    }),
    { seed: 1, numRuns: 500 },
  );
});
