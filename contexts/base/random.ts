import { randomBytes } from 'node:crypto';

/** Randomness, as an argument. The only home of `Math.random` and `randomBytes` in production code. */
export interface Random {
  /** A number in [0, 1). For jitter and sampling, never for secrets. */
  fraction(): number;
  /** `count` cryptographically strong bytes. */
  bytes(count: number): Uint8Array;
}

export const systemRandom: Random = {
  fraction: () => Math.random(),
  bytes: (count) => randomBytes(count),
};

/** `ms` moved by at most `share` (0 to 1) of itself in either direction. */
export function jittered(random: Random, ms: number, share: number): number {
  return ms * (1 + share * (2 * random.fraction() - 1));
}
