import { randomBytes } from 'node:crypto';

/** Randomness, as an argument. The only home of `Math.random` and `randomBytes` in production code. */
export interface Random {
  /** A number in [0, 1). For jitter and sampling, never for secrets. */
  fraction(): number;
  /** `count` cryptographically strong bytes. */
  bytes(count: number): Uint8Array;
}

/** Bytes drawn ahead: one call for 16 bytes takes as long as one for some hundred times as many. */
const aheadBytes = 4096;
let ahead = Buffer.alloc(0);

export const systemRandom: Random = {
  fraction: () => Math.random(),
  bytes(count) {
    if (count > aheadBytes) return randomBytes(count);
    if (ahead.length < count) ahead = randomBytes(aheadBytes);
    const drawn = Uint8Array.from(ahead.subarray(0, count));
    ahead.fill(0, 0, count); // what a secret is made of is kept nowhere else
    ahead = ahead.subarray(count);
    return drawn;
  },
};

/** `ms` moved by at most `share` (0 to 1) of itself in either direction. */
export function jittered(random: Random, ms: number, share: number): number {
  return ms * (1 + share * (2 * random.fraction() - 1));
}
