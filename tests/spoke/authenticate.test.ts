import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../contexts/base/random.ts';
import type { Envelope } from '../../contexts/envelope.ts';
import { newSecret, noVerifier, verifierOf } from '../../contexts/secrets.ts';
import { answerOf } from '../../spoke/answers.ts';
import { Authenticator } from '../../spoke/authenticate.ts';
import type { Decision } from '../../spoke/decide.ts';
import { answerTo } from '../../spoke/snapshot/shadow.ts';
import { cacheWorld } from './support/cache-world.ts';
import {
  allOf,
  announcementOf,
  clusterContext,
  gone,
  keyContext,
  newDemo,
  publish,
  tenantContext,
} from './support/contexts.ts';

/** Decisions of a real authenticator over a real cache, whose clock the test moves. Nothing is announced. */
async function world() {
  const cached = await cacheWorld();
  const { clock, cache, store } = cached;
  const demo = newDemo();
  await publish(store, ...allOf(demo, 1));
  const authenticator = new Authenticator({ cache, clock });
  /** The answer, and that nothing had to be asked for it, once the contexts are held. */
  async function ask(secret = demo.secret): Promise<Decision> {
    const asked = authenticator.authenticate({
      authorization: `Bearer ${secret}`,
      agentKey: undefined,
      clusterId: undefined,
    });
    if (!(asked instanceof Promise)) return asked;
    let decided: Decision | undefined;
    void asked.then((decision) => {
      decided = decision;
    });
    for (let waitedMs = 0; decided === undefined && waitedMs < 10_000; waitedMs++) await clock.advance(1);
    return decided!;
  }
  const code = (decision: Decision) => (decision.outcome === 'granted' ? 'GRANTED' : decision.code);
  return { ...cached, lookUp: cached.ask, demo, authenticator, ask, code };
}

describe('what is remembered of a good key', () => {
  test('[law 6] is forgotten at once when its cluster goes, or its tenant changes', async () => {
    await using w = await world();
    const { demo, cache } = w;
    for (let times = 0; times < 2; times++) expect(w.code(await w.ask())).toBe('GRANTED');
    cache.announced(announcementOf(gone('cluster', demo.clusterId, 2)));
    expect(w.code(await w.ask())).toBe('DANGLING');
    const back = clusterContext(demo, 3);
    const suspended = tenantContext(demo, 3, { status: 'suspended' });
    await publish(w.store, back);
    cache.announced(announcementOf(back));
    await w.clock.advance(100);
    expect(w.code(await w.ask())).toBe('GRANTED');
    await publish(w.store, suspended);
    cache.announced(announcementOf(suspended));
    await w.clock.advance(100);
    expect(w.code(await w.ask())).toBe('TENANT_SUSPENDED');
  });

  test('[law 7] is told as stale once it is doubted, and goes on being asked for', async () => {
    await using w = await world();
    await w.ask();
    w.cache.suspectAll();
    w.events.length = 0;
    expect(w.code(await w.ask())).toBe('GRANTED');
    expect(w.events).toEqual(['agent-key', 'tenant', 'cluster'].map((kind) => `lookup ${kind} stale`));
  });

  test('[law 8] keeps nothing alive of a cluster or a tenant that left the cache', async () => {
    await using w = await world();
    const { demo, cache } = w;
    await w.ask();
    const granted = await w.ask();
    if (granted.outcome !== 'granted') throw new Error('not let in');
    const remembered = granted.key.scope!;
    expect(remembered.cluster.value).toBe(granted.cluster);
    for (const left of [gone('cluster', demo.clusterId, 2), gone('tenant', demo.tenantId, 2)])
      cache.announced(announcementOf(left));
    for (const { value, hit, bodyText } of [remembered.cluster, remembered.tenant])
      expect([value, hit, bodyText]).toEqual([undefined, undefined, undefined]);
    expect(granted.cluster.name, 'whoever is being served goes on').toBe('orders');
    expect(w.code(await w.ask())).toBe('DANGLING');
  });

  test('is no part of the key: a rehearsal compares it with one that was never used', async () => {
    await using w = await world();
    const { cache, demo } = w;
    await w.lookUp('agent-key', demo.keyId);
    const question = { kind: 'agent-key', key: demo.keyId } as const;
    const unused = answerTo(cache, question);
    await w.ask();
    expect(answerOf(await w.ask(), 'eu-west-1').status).toBe(200);
    expect(answerTo(cache, question)).toBe(unused);
  });

  test('lets nobody in by its id: what is no agent key is malformed, and another secret is wrong', async () => {
    await using w = await world();
    const { secret, keyId } = w.demo;
    expect(w.code(await w.ask())).toBe('GRANTED');
    const last = secret.at(-1) === '0' ? '1' : '0';
    expect(w.code(await w.ask(secret.slice(0, -1) + last))).toBe('MALFORMED');
    expect(w.code(await w.ask(secret.replace('spk_', 'spk-')))).toBe('MALFORMED');
    expect(w.code(await w.ask(newSecret('agentKey', keyId, systemRandom)))).toBe('WRONG_SECRET');
  });
});

describe('the expiry of a key', () => {
  test('is honoured to the millisecond out of the cache, whatever was prepared before', async () => {
    await using w = await world();
    const expiresAtMs = w.clock.now() + 30_000;
    await publish(w.store, keyContext(w.demo, 2, { expiresAtMs }));
    const granted = await w.ask();
    expect(w.code(granted)).toBe('GRANTED');
    if (granted.outcome !== 'granted') return;
    const prepared = answerOf(granted, 'eu-west-1');
    w.store.resetCounts();

    w.clock.stepWall(expiresAtMs - 1 - w.clock.now());
    const last = await w.ask();
    expect(answerOf(last, 'eu-west-1'), 'the prepared answer').toEqual(prepared);
    w.clock.stepWall(1);
    for (let times = 0; times < 3; times++) {
      const late = await w.ask();
      expect(w.code(late)).toBe('EXPIRED');
      expect(answerOf(late, 'eu-west-1').status).toBe(401);
    }
    const reconsidered = await w.authenticator.reconsider({
      ...{ keyId: granted.key.id, verifier: granted.key.verifier, from: undefined },
    });
    expect(w.code(reconsidered), 'what is under way ends too').toBe('EXPIRED');
    expect(w.store.count('read'), 'nobody was asked, nothing was pushed').toBe(0);
  });

  test('counts by the wall: a clock that is put right lets it in again', async () => {
    await using w = await world();
    const expiresAtMs = w.clock.now() + 30_000;
    await publish(w.store, keyContext(w.demo, 2, { expiresAtMs }));
    await w.ask();
    w.clock.stepWall(40_000);
    expect(w.code(await w.ask())).toBe('EXPIRED');
    w.clock.stepWall(-20_000);
    expect(w.code(await w.ask())).toBe('GRANTED');
  });
});

describe('a key that was rotated', () => {
  /** The demo's key with its secret, and one that is ending; the secret of that is {@link old}. */
  async function rotated() {
    const w = await world();
    const old = newSecret('agentKey', w.demo.keyId, systemRandom);
    const endsAtMs = w.clock.now() + 30_000;
    const present = { verifier: verifierOf(w.demo.secret), endsAtMs: null };
    const verifiers = [present, { verifier: verifierOf(old), endsAtMs }];
    await publish(w.store, keyContext(w.demo, 2, { verifiers }));
    const codes = async () => [w.code(await w.ask()), w.code(await w.ask(old))];
    return { ...w, old, endsAtMs, present, codes };
  }

  test('lets both secrets in until the grace ends, to the millisecond and without a push', async () => {
    await using w = await rotated();
    expect(await w.codes()).toEqual(['GRANTED', 'GRANTED']);
    const stranger = newSecret('agentKey', w.demo.keyId, systemRandom);
    expect(w.code(await w.ask(stranger))).toBe('WRONG_SECRET');
    const granted = await w.ask(w.old);
    if (granted.outcome !== 'granted') throw new Error('not let in');
    const letIn = { keyId: w.demo.keyId, verifier: granted.retiring!, from: undefined };
    w.store.resetCounts();
    w.clock.stepWall(w.endsAtMs - 1 - w.clock.now());
    expect(await w.codes()).toEqual(['GRANTED', 'GRANTED']);
    expect(w.code(await w.authenticator.reconsider(letIn))).toBe('GRANTED');
    w.clock.stepWall(1);
    expect(await w.codes()).toEqual(['GRANTED', 'EXPIRED']);
    expect(w.code(await w.authenticator.reconsider(letIn)), 'what is under way').toBe('EXPIRED');
    expect(w.store.count('read')).toBe(0);
  });

  test('ends with both secrets when it expires, is disabled or revoked in the grace', async () => {
    await using w = await rotated();
    const { demo, cache, store } = w;
    const become = async (change: Envelope, codes: string[]) => {
      await publish(store, change);
      cache.announced(announcementOf(change));
      await w.clock.advance(1_000);
      expect(await w.codes()).toEqual(codes);
    };
    expect(await w.codes()).toEqual(['GRANTED', 'GRANTED']);
    const verifiers = [w.present, { verifier: verifierOf(w.old), endsAtMs: w.endsAtMs }];
    await become(keyContext(demo, 3, { verifiers, status: 'disabled' }), ['DISABLED', 'DISABLED']);
    await become(keyContext(demo, 4, { verifiers, expiresAtMs: 1 }), ['EXPIRED', 'EXPIRED']);
    await become(keyContext(demo, 5, { verifiers }), ['GRANTED', 'GRANTED']);
    await become(keyContext(demo, 6, { verifiers: [w.present] }), ['GRANTED', 'WRONG_SECRET']);
    await become(gone('agent-key', demo.keyId, 7), ['NOT_FOUND', 'NOT_FOUND']);
  });

  test('again in the grace lets in all secrets that have not ended, and goes by the list alone', async () => {
    await using w = await rotated();
    const secrets = [w.old, newSecret('agentKey', w.demo.keyId, systemRandom)];
    const now = w.clock.now();
    const verifiers = [
      { verifier: verifierOf(secrets[1]!), endsAtMs: null },
      { verifier: verifierOf(w.demo.secret), endsAtMs: now + 20_000 },
      { verifier: verifierOf(w.old), endsAtMs: now + 10_000 },
    ];
    await publish(w.store, keyContext(w.demo, 3, { verifiers, verifier: noVerifier }));
    const codes = async () =>
      Promise.all([secrets[1], w.demo.secret, w.old].map(async (secret) => w.code(await w.ask(secret))));
    expect(await codes()).toEqual(['GRANTED', 'GRANTED', 'GRANTED']);
    w.clock.stepWall(10_000);
    expect(await codes()).toEqual(['GRANTED', 'GRANTED', 'EXPIRED']);
    w.clock.stepWall(10_000);
    expect(await codes()).toEqual(['GRANTED', 'EXPIRED', 'EXPIRED']);
  });
});
