import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StoredFields } from '../../contexts/envelope.ts';
import * as present from '../../contexts/envelope.ts';
import { decodeVersion } from '../../contexts/revision.ts';
import { noVerifier, verifierMatches, verifierOf } from '../../contexts/secrets.ts';
import { decodeContext, decodeFeedEntry } from '../../contexts/stores/dynamodb-items.ts';
import { boundsOf } from '../../hub/db/agent-key-bounds.ts';
import type { RetiringSecret } from '../../hub/db/schema.ts';
import { asOfN, asOfNext, plantTree, type Tree } from './tree.ts';

/** What N wrote, byte by byte. Frozen with it: never edited, replaced as a whole when the next N is frozen. */
const wire = read<{
  contexts: { kind: 'tenant'; body: Record<string, unknown>; live: StoredFields; tombstone: StoredFields }[];
  layout: {
    shards: number;
    live: { envelope: present.Envelope; item: never };
    feedEntry: { entry: { number: number; announcements: unknown[] }; item: Record<string, { S: string }> };
  };
}>('wire.json');

let n: Tree;
let next: Tree;
beforeAll(async () => {
  [n, next] = [await plantTree(asOfN), await plantTree(asOfNext)];
});
afterAll(() => {
  n?.[Symbol.dispose]();
  next?.[Symbol.dispose]();
});

describe('the wire of N', () => {
  test('has every kind', () => {
    expect(wire.contexts.map(({ kind }) => kind as string)).toEqual(n.kinds.kindNames);
  });

  test.each(wire.contexts)('$kind: N writes these bytes', ({ kind, body, live, tombstone }) => {
    const { key, version, builtAtMs } = live as { key: string; version: string; builtAtMs: number };
    const { epoch, revision } = decodeVersion(version)!;
    const input = { kind, key, epoch, revision, builtAtMs };
    expect(n.envelopes.seal({ ...input, body })).toEqual({ outcome: 'sealed', envelope: live });
    expect(n.envelopes.tombstone(input)).toEqual(tombstone);
  });

  test.each(wire.contexts)(
    '$kind: the present build and the next one read them',
    ({ body, live, tombstone }) => {
      for (const build of [present, next.envelopes]) {
        const decoded = build.decodeEnvelope(live);
        expect(decoded.outcome).toBe('decoded');
        if (decoded.outcome !== 'decoded') return;
        const opened = build.open(decoded.envelope);
        expect(opened).toEqual({ outcome: 'live', body });
        expect(build.decodeEnvelope(tombstone).outcome).toBe('decoded');
      }
    },
  );

  test('what the next build writes outranks it at the same revision, and N reads it, whatever else is in it', () => {
    const { kind, body, live } = wire.contexts[0]!;
    const { epoch, revision, schemaVersion } = decodeVersion(live.version)!;
    const input = { kind, key: live.key as string, epoch, revision, builtAtMs: 0 };
    const sealed = next.envelopes.seal({ ...input, body: { ...body, note: 'new' } });
    if (sealed.outcome !== 'sealed') throw new Error(sealed.reason);
    expect(sealed.envelope.version > (live.version as string)).toBe(true);
    expect(decodeVersion(sealed.envelope.version)!.schemaVersion).toBeGreaterThan(schemaVersion);
    const decoded = n.envelopes.decodeEnvelope({ ...sealed.envelope });
    if (decoded.outcome !== 'decoded') throw new Error(decoded.reason);
    expect(n.envelopes.open(decoded.envelope)).toMatchObject({ outcome: 'live', body });
  });

  test('a key with networks is one that no secret opens for N, and a rotated key one that the newest secret opens', () => {
    const [newest, old] = ['the newest secret', 'the one before'] as const;
    const row = {
      ...{ verifier: verifierOf(newest), restricted_verifier: null, retiring: [] as RetiringSecret[] },
      ...{ allowed_networks: null as string[] | null, rate_limit: 5, rate_window_ms: 1000 },
    };
    const opensForN = (changes: object) => {
      const agentKey = wire.contexts.find(({ kind }) => (kind as string) === 'agent-key')!;
      const body = { ...agentKey.body, ...boundsOf({ ...row, ...changes }) };
      const input = { kind: 'agent-key', key: 'aki_1', epoch: 1, revision: 9, builtAtMs: 0 } as const;
      const sealed = present.seal({ ...input, body });
      if (sealed.outcome !== 'sealed') throw new Error(sealed.reason);
      expect(decodeVersion(sealed.envelope.version)!.schemaVersion).toBeGreaterThan(1);
      const opened = n.envelopes.open(sealed.envelope as present.Envelope<'agent-key'>);
      if (opened.outcome !== 'live') throw new Error(opened.outcome);
      // All that N's gateway looks at.
      expect(opened.body).toMatchObject({
        status: agentKey.body.status,
        permissions: agentKey.body.permissions,
      });
      return [newest, old].map((secret) => verifierMatches(secret, opened.body.verifier));
    };
    const retiring = [{ verifier: verifierOf(old), endsAtMs: 1_900_000_000_000 }];
    const bound = { restricted_verifier: verifierOf(newest), verifier: noVerifier };
    expect(opensForN({})).toEqual([true, false]);
    expect(opensForN({ retiring })).toEqual([true, false]);
    expect(opensForN({ ...bound, allowed_networks: ['0.0.0.0/0'] })).toEqual([false, false]);
    expect(opensForN({ ...bound, allowed_networks: ['10.0.0.0/8'], retiring })).toEqual([false, false]);
  });

  test('the present build reads its items and its feed, and passes over kinds it does not know', () => {
    const { shards, live, feedEntry } = wire.layout;
    expect(decodeContext(live.envelope.kind, live.item, shards)).toMatchObject({
      state: 'context',
      envelope: live.envelope,
    });
    expect(decodeFeedEntry(feedEntry.item)).toEqual(feedEntry.entry);
    const announced = JSON.parse(feedEntry.item.a!.S) as unknown[];
    const a = {
      S: JSON.stringify([['from-the-future', 'x', live.envelope.version, 0, 'more'], ...announced]),
    };
    expect(decodeFeedEntry({ ...feedEntry.item, a })).toEqual(feedEntry.entry);
  });
});

describe('migrations', () => {
  const folder = 'hub/db/migrations';
  const journal = JSON.parse(readFileSync(`${folder}/meta/_journal.json`, 'utf8')) as {
    entries: { idx: number; when: number; tag: string }[];
  };
  const tags = journal.entries.map(({ tag }) => tag);

  test('are never edited once they are out: an added one is added to n/migrations.json with its hash', () => {
    const hashes = Object.fromEntries(
      tags.map((tag) => [
        tag,
        createHash('sha256')
          .update(readFileSync(`${folder}/${tag}.sql`))
          .digest('hex'),
      ]),
    );
    expect(hashes).toEqual(read('migrations.json'));
  });

  test('are applied in the order of their names, each later than the one before it', () => {
    expect(readdirSync(folder).filter((name) => name.endsWith('.sql'))).toEqual(
      tags.map((tag) => `${tag}.sql`),
    );
    // drizzle applies what is later than the last one applied, and passes over anything else without a word.
    const whens = journal.entries.map(({ when }) => when);
    expect(whens).toEqual(whens.toSorted((a, b) => a - b));
    expect(new Set(whens).size).toBe(whens.length);
  });
});

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./n/${name}`, import.meta.url), 'utf8')) as T;
}
