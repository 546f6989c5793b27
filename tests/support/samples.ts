import { assert } from '../../contexts/base/assert.ts';
import type { Random } from '../../contexts/base/random.ts';
import { type Envelope, seal, tombstone } from '../../contexts/envelope.ts';
import type { ContextRef } from '../../contexts/kinds/index.ts';
import { encodeVersion, type VersionText } from '../../contexts/revision.ts';

/** A sealed tenant context; `name` is its content. */
export function tenantEnvelope(
  key: string,
  revision: number,
  options: { epoch?: number; name?: string } = {},
): Envelope {
  const { epoch = 1, name = `${key} at ${revision}` } = options;
  const body = { name, status: 'active' };
  const sealed = seal({ kind: 'tenant', key, epoch, revision, body, builtAtMs: 1_900_000_000_000 });
  assert(sealed.outcome === 'sealed', 'a sample must be valid');
  return sealed.envelope;
}

export function tenantTombstone(key: string, revision: number, epoch = 1): Envelope {
  return tombstone({ kind: 'tenant', key, epoch, revision, builtAtMs: 1_900_000_000_000 });
}

export function tenantRef(key: string): ContextRef {
  return { kind: 'tenant', key };
}

export function versionText(revision: number, epoch = 1): VersionText {
  return encodeVersion({ epoch, revision, schemaVersion: 1 });
}

/** Every order of `items`. */
export function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((first, index) =>
    permutations(items.toSpliced(index, 1)).map((rest) => [first, ...rest]),
  );
}

/** Randomness that is the same in every run: xorshift over `seed`. */
export function seededRandom(seed: number): Random {
  let state = seed | 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  return {
    fraction: () => next() / 2 ** 32,
    bytes: (count) => Uint8Array.from({ length: count }, () => next() & 0xff),
  };
}
