import { limits } from './limits.ts';

/**
 * Keys of contexts: lower-case letters, digits and `_ . : -`, so that byte order is the same in Postgres
 * (`collate "C"`), in DynamoDB and in JavaScript, and no key needs escaping anywhere.
 */
const pattern = /^[a-z0-9_.:-]+$/;

export function isContextKey(text: string): boolean {
  return text.length > 0 && text.length <= limits.keyLengthMax && pattern.test(text);
}
