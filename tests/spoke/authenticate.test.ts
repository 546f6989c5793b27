import { describe, expect, test } from 'vitest';
import { answerOf } from '../../spoke/answers.ts';
import { Authenticator } from '../../spoke/authenticate.ts';
import type { Decision } from '../../spoke/decide.ts';
import { cacheWorld } from './support/cache-world.ts';
import { allOf, keyContext, newDemo, publish } from './support/contexts.ts';

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
  return { ...cached, demo, authenticator, ask, code };
}

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
    expect(answerOf(last, 'eu-west-1'), 'the prepared answer').toBe(prepared);
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
