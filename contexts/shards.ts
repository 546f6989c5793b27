import { crc32 } from 'node:zlib';

/**
 * The partition of its kind that a key lives in: CRC-32 of its bytes, modulo the count in the table's identity.
 *
 * Part of the layout, like the names of attributes: another function here is another `layoutVersion`, because
 * everything written before would be where nobody looks (tests/contexts/wire-lock.test.ts holds it).
 */
export function shardOf(key: string, shards: number): number {
  return crc32(key) % shards;
}
