import { z } from '@hono/zod-openapi';
import { type IdOf, idPrefixes } from '../../contexts/ids.ts';

/** Fields that several resources share. Each schema says what is wrong in words that fit behind the field's name. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is there to refuse
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/** What people call things: trimmed, 1 to 120 characters, no control characters; composed, so that equal looks are equal. */
export const name = z
  .string()
  .trim()
  .normalize('NFC')
  .min(1, 'must not be empty')
  .max(120, 'must have at most 120 characters')
  .refine((text) => !unprintable.test(text), 'must not hold control characters')
  .openapi({ minLength: 1, maxLength: 120, description: 'Trimmed; no control characters.' });

/** What somebody types who looks for a thing. */
export const search = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(120, 'must have at most 120 characters')
  .openapi({
    description:
      'The beginning of its name, in any case: what is found is in the order of the names. Or its whole id.',
    example: 'ord',
  });

/** The id of a resource, by form only. */
export function idOf(of: IdOf) {
  return z
    .string()
    .regex(
      new RegExp(`^${idPrefixes[of]}_[0-9a-hjkmnp-tv-z]{26}$`),
      `must be an id like ${idPrefixes[of]}_...`,
    )
    .openapi({ example: `${idPrefixes[of]}_01k9c0v8w1e4qafk3s7m2t6xhz` });
}

export const regionId = z
  .string()
  .regex(/^[a-z0-9-]{2,40}$/, 'must have 2 to 40 characters of a-z, 0-9 and -')
  .openapi({ example: 'eu-west-1' });

/** An http(s) URL without credentials: it is shown to everyone who may read the resource. */
export function httpUrl(description: string) {
  return z
    .string()
    .max(2048, 'must have at most 2048 characters')
    .refine(
      isPlainHttpUrl,
      'must be a URL that starts with http:// or https://, without credentials, query or fragment',
    )
    .openapi({ format: 'uri', description });
}

/** As the schema of the kind `cluster` wants it: what passes here must not be held back there. */
const publishable = z.url({ protocol: /^https?$/ });

function isPlainHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  if (!url || !/^https?:\/\//i.test(text) || /[\s\\]/.test(text)) return false;
  const plain =
    !url.username && !url.password && !text.includes('?') && !text.includes('#') && !text.includes('@');
  return plain && publishable.safeParse(text).success;
}

const settingsBytesMax = 32 * 1024;

/** Whatever the cluster's metadata store wants to know; bounded so that the context it ends up in keeps its limit. */
export const settings = z
  .record(z.string().max(200), z.json())
  .refine(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= settingsBytesMax,
    `must have at most ${settingsBytesMax} bytes as JSON`,
  )
  .openapi({
    type: 'object',
    additionalProperties: true,
    description: 'Opaque to Spokecast; handed to gateways. At most 32 KiB.',
    example: { tier: 'gold' },
  });

const [firstMs, lastMs] = [Date.parse('0001-01-01T00:00:00Z'), Date.parse('9999-12-31T23:59:59.999Z')];

/** A moment as somebody gives it: in any zone, in a year that can be stored and shown. */
export const givenMoment = z.iso
  .datetime({ offset: true, error: 'must be a time like 2027-01-31T00:00:00Z' })
  .refine(
    (text) => !(Date.parse(text) < firstMs || Date.parse(text) > lastMs), // what is no time was told already
    'must be in the years 1 to 9999',
  );

/** When a key stops to work. */
export const expiresAt = givenMoment
  .nullable()
  .openapi({ description: 'RFC 3339, in the future; null for never.', example: null });

/** A moment as the API gives it. */
export const moment = z.iso.datetime().openapi({ format: 'date-time', example: '2026-11-21T09:30:00.000Z' });

/** Who did something, as it was called then. */
export const actorShown = z.strictObject({
  id: z.string().openapi({ example: 'apk_01k9c0v8w1e4qafk3s7m2t6xhz' }),
  name: z.string().openapi({ example: 'terraform' }),
});

export const keyStatus = z.enum(['active', 'disabled'], 'must be active or disabled');
