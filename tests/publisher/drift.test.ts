import { describe, expect, test } from 'vitest';
import { type Envelope, seal, tombstone } from '../../contexts/envelope.ts';
import type { StoredItem } from '../../contexts/store.ts';
import type { Build } from '../../hub/db/builders/index.ts';
import { compare, isAsDrafted, wouldLoosen } from '../../publisher/sweep/drift.ts';
import { draftOf } from '../support/drafts.ts';
import { keyBody } from './fake-hub.ts';

const ref = { kind: 'tenant', key: 'ten_1' } as const;
const builtAtMs = 1_900_000_000_000;

function live(revision: number, name = 'Acme'): Envelope {
  const sealed = seal({ ...ref, epoch: 2, revision, body: { name, status: 'active' }, builtAtMs });
  if (sealed.outcome !== 'sealed') throw new Error(sealed.reason);
  return sealed.envelope;
}
const gone = (revision: number) => tombstone({ ...ref, epoch: 2, revision, builtAtMs });
/** As a newer build writes it: the same revision under a higher schema version. */
const newerSchema = (envelope: Envelope): Envelope => ({
  ...envelope,
  version: envelope.version.replace(/0001$/, '0002') as Envelope['version'],
});
const item = (envelope: Envelope): StoredItem => ({ state: 'context', key: ref.key, envelope });

const builds: Record<string, Build | undefined> = {
  'live@5': { ref, state: 'live', envelope: live(5), denies: false, intended: false },
  'gone@5': { ref, state: 'gone', envelope: gone(5), deleted: true, intended: false },
  invalid: { ref, state: 'invalid', revision: 5, reason: 'name: too short' },
  unknown: { ref, state: 'unknown' },
  'not in the range': undefined,
};
const stored: Record<string, StoredItem | undefined> = {
  nothing: undefined,
  corrupt: { state: 'corrupt', key: ref.key, reason: 'hash', seen: 'zzz' },
  'live@4': item(live(4)),
  'live@5': item(live(5)),
  'live@5 edited': item(live(5, 'Other')),
  'live@5 newer schema': item(newerSchema(live(5))),
  'live@6': item(live(6)),
  'gone@4': item(gone(4)),
  'gone@5': item(gone(5)),
  'gone@5 newer schema': item(newerSchema(gone(5))),
  'gone@6': item(gone(6)),
};

/** Every combination. `!` where the repair must draw a fresh revision first. */
const table: Record<string, Record<string, string>> = {
  'live@5': {
    nothing: 'missing',
    corrupt: 'corrupt!',
    'live@4': 'stale',
    'live@5': 'same',
    'live@5 edited': 'corrupt!',
    'live@5 newer schema': 'same',
    'live@6': 'ahead!',
    'gone@4': 'stale',
    'gone@5': 'stale!',
    'gone@5 newer schema': 'stale!',
    'gone@6': 'ahead!',
  },
  'gone@5': {
    nothing: 'same',
    corrupt: 'corrupt!',
    'live@4': 'stale',
    'live@5': 'orphan!',
    'live@5 edited': 'orphan!',
    'live@5 newer schema': 'orphan!',
    'live@6': 'ahead!',
    'gone@4': 'same',
    'gone@5': 'same',
    'gone@5 newer schema': 'same',
    'gone@6': 'same',
  },
  invalid: {
    nothing: 'same',
    corrupt: 'corrupt!',
    'live@4': 'same',
    'live@5': 'same',
    'live@5 edited': 'same',
    'live@5 newer schema': 'same',
    'live@6': 'same',
    'gone@4': 'same',
    'gone@5': 'same',
    'gone@5 newer schema': 'same',
    'gone@6': 'same',
  },
};
const stranger = {
  nothing: 'same',
  corrupt: 'orphan!',
  'live@4': 'orphan!',
  'live@5': 'orphan!',
  'live@5 edited': 'orphan!',
  'live@5 newer schema': 'orphan!',
  'live@6': 'orphan!',
  'gone@4': 'same',
  'gone@5': 'same',
  'gone@5 newer schema': 'same',
  'gone@6': 'same',
};
table.unknown = stranger;
table['not in the range'] = stranger;

describe.each(Object.keys(builds))('[law 3] the hub says %s', (build) => {
  test.each(Object.keys(stored))('the store has %s', (held) => {
    const comparison = compare(builds[build], stored[held]);
    const text = comparison.same ? 'same' : `${comparison.drift}${comparison.needsFreshRevision ? '!' : ''}`;
    expect(text).toBe(table[build]![held]);
  });
});

test.each(Object.keys(stored))(
  '[law 3] a draft of live@5 need not be built where the store has it: %s',
  (held) => {
    const head = { epoch: 2, revision: 5, body: { status: 'active', name: 'Acme' } };
    const draft = draftOf(builds['live@5']!, head);
    expect(isAsDrafted(draft, stored[held])).toBe(held === 'live@5');
  },
);

test('an item of an older epoch is stale, however high its revision', () => {
  const old = seal({ ...ref, epoch: 1, revision: 999, body: { name: 'Acme', status: 'active' }, builtAtMs });
  if (old.outcome !== 'sealed') throw new Error(old.reason);
  expect(compare(builds['live@5'], item(old.envelope))).toEqual({
    same: false,
    drift: 'stale',
    needsFreshRevision: false,
  });
});

describe('whether a repair would let in somebody whom the region turns away', () => {
  const keyOf = (fields: object) => {
    const sealed = seal({
      kind: 'agent-key',
      key: 'aki_1',
      epoch: 2,
      revision: 6,
      body: { ...keyBody(), ...fields },
      builtAtMs,
    });
    if (sealed.outcome !== 'sealed') throw new Error(sealed.reason);
    return sealed.envelope;
  };
  const lets = keyOf({ status: 'active', expiresAtMs: null });
  const disabled = keyOf({ status: 'disabled' });
  const expiring = keyOf({ status: 'active', expiresAtMs: builtAtMs });
  const buried = tombstone({ kind: 'agent-key', key: 'aki_1', epoch: 2, revision: 6, builtAtMs });
  const told = (envelope: Envelope): Build => {
    const ref = { kind: 'agent-key', key: 'aki_1' } as const;
    return { ref, state: 'live', envelope, denies: envelope !== lets, intended: false };
  };

  test.each<[string, Build, StoredItem | undefined, boolean]>([
    ['a tombstone, and the hub lets through', told(lets), item(buried), true],
    ['a denial, and the hub lets through', told(lets), item(disabled), true],
    ['an expired key, and the hub lets through', told(lets), item(expiring), true],
    ['a tombstone, and the hub denies', told(disabled), item(buried), false],
    ['it lets through already', told(lets), item(lets), false],
    ['nothing', told(lets), undefined, false],
    ['what does not decode', told(lets), stored.corrupt, false],
    ['a tombstone, and for the hub it is gone', builds['gone@5']!, item(buried), false],
  ])('the region has %s', (_name, build, held, expected) => {
    expect(wouldLoosen(build, held, builtAtMs)).toBe(expected);
  });

  test('an expiry that is to come lets through until then', () => {
    expect(wouldLoosen(told(lets), item(expiring), builtAtMs - 1)).toBe(false);
  });
});
