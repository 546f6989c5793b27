import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/** Bytes of a key as it is configured, of a signature, and of what the cipher adds to a payload. */
export const keyBytes = 32;
export const signatureBytes = 32;
export const sealBytes = 16;

/** The keys as configured. Several, so that one can be exchanged for another: the first writes, all of them read. */
export interface SnapshotKeys {
  signing: readonly Buffer[];
  encryption: readonly Buffer[];
}

/** 32 bytes in hex or base64, or several such, a comma between; undefined where it is none. */
export function parseKeys(text: string): Buffer[] | undefined {
  const keys = text.split(',').map((each) => parseKey(each.trim()));
  return keys.every((key) => key !== undefined) ? keys : undefined;
}

function parseKey(text: string): Buffer | undefined {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex');
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined;
  const key = Buffer.from(text, 'base64');
  return key.length === keyBytes ? key : undefined;
}

/**
 * What signs, and perhaps encrypts, the frames of one file. Every file has an id of its own at random, and keys
 * that are derived from it: a frame of one file is no frame of another, and no two are encrypted alike.
 */
export class FileKeys {
  readonly #signing: Buffer;
  readonly #encryption: Buffer | undefined;

  constructor(fileId: Buffer, signing: Buffer, encryption: Buffer | undefined) {
    this.#signing = derive(signing, fileId, 'spokecast snapshot signature 1');
    this.#encryption = encryption && derive(encryption, fileId, 'spokecast snapshot encryption 1');
  }

  sign(...parts: readonly Buffer[]): Buffer {
    const hmac = createHmac('sha256', this.#signing);
    for (const part of parts) hmac.update(part);
    return hmac.digest();
  }

  isSigned(signature: Buffer, ...parts: readonly Buffer[]): boolean {
    return signature.length === signatureBytes && timingSafeEqual(signature, this.sign(...parts));
  }

  seal(payload: Buffer, number: number): Buffer {
    if (this.#encryption === undefined) return payload;
    const cipher = createCipheriv('aes-256-gcm', this.#encryption, nonceOf(number));
    return Buffer.concat([cipher.update(payload), cipher.final(), cipher.getAuthTag()]);
  }

  /** @throws where it was sealed with another key; its signature has been checked before. */
  unseal(sealed: Buffer, number: number): Buffer {
    if (this.#encryption === undefined) return sealed;
    const decipher = createDecipheriv('aes-256-gcm', this.#encryption, nonceOf(number));
    decipher.setAuthTag(sealed.subarray(sealed.length - sealBytes));
    return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - sealBytes)), decipher.final()]);
  }
}

/** Each frame number occurs once in a file, and each file has a key of its own. */
function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32LE(number, 0);
  return nonce;
}

function derive(key: Buffer, fileId: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, fileId, purpose, keyBytes));
}
