import { parseJson } from './json.ts';
import { fail } from './problems.ts';

/** Bytes of a request body. A context is small; so is every request that makes one. */
export const bodyBytesMax = 64 * 1024;

const jsonTypes = /^application\/(?:json|merge-patch\+json)[ \t]*(?:;.*)?$/i;

/**
 * Reads a request's body as JSON. An absent body is `undefined`.
 * @throws ProblemError 413 before a byte is read where the length is announced, else as soon as the limit is
 * passed; 415 for another content type or an encoding; 400 with line and column where it is not JSON.
 */
export async function readJson(request: Request): Promise<unknown> {
  const announced = request.headers.get('content-length');
  if (announced !== null && Number(announced) > bodyBytesMax) tooLarge();
  const encoding = request.headers.get('content-encoding');
  if (encoding !== null && encoding.toLowerCase() !== 'identity')
    fail('UNSUPPORTED_MEDIA_TYPE', 'Compressed bodies are not read.');
  if (announced === '0' || (announced === null && request.body === null)) return undefined;
  const type = request.headers.get('content-type');
  const typed = type !== null && jsonTypes.test(type);
  // Without a length there may be no bytes at all, and then no type is missed.
  if (!typed && (type !== null || announced !== null)) fail('UNSUPPORTED_MEDIA_TYPE');

  // As long as announced and no longer: of that node makes sure, and then no stream of the web is needed.
  const bytes =
    announced === null ? await readBounded(request.body!) : new Uint8Array(await request.arrayBuffer());
  if (bytes.length > bodyBytesMax) tooLarge();
  if (bytes.length === 0) return undefined;
  if (!typed) fail('UNSUPPORTED_MEDIA_TYPE');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    fail('MALFORMED_JSON', 'The body is not UTF-8.');
  }
  const parsed = parseJson(text);
  switch (parsed.outcome) {
    case 'parsed':
      return parsed.value;
    case 'malformed':
      return fail('MALFORMED_JSON', `The mistake is in line ${parsed.line}, column ${parsed.column}.`);
    case 'unusable':
      return fail('VALIDATION_FAILED', { errors: parsed.errors });
  }
}

/** @throws ProblemError 413 as soon as there is more than {@link bodyBytesMax}. */
export async function readBounded(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks, size);
    size += value.byteLength;
    if (size > bodyBytesMax) {
      // Not awaited: the client may never send the rest.
      void reader.cancel().catch(() => {});
      tooLarge();
    }
    chunks.push(value);
  }
}

/**
 * No `connection: close` here: node would end the connection with the answer, and a client that is still sending
 * would be told of a broken pipe instead of it. The server reads on for half a second, keeps nothing, then closes.
 */
function tooLarge(): never {
  fail('BODY_TOO_LARGE');
}
