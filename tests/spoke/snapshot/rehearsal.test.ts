import { expect, test } from 'vitest';
import { createLogger } from '../../../contexts/base/log.ts';
import { systemRandom } from '../../../contexts/base/random.ts';
import { Rehearsal } from '../../../spoke/snapshot/rehearsal.ts';
import type { Question } from '../../../spoke/snapshot/shadow.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const live = new Map([
  ['agent-key/aki_1', 'v1 x'],
  ['agent-key/aki_2', 'gone'],
  ['tenant/ten_1', 'none'],
]);
const nameOf = ({ kind, key }: Question) => `${kind}/${key}`;

async function rehearsed(answers: ReadonlyMap<string, string>, whileItBoots: () => void = () => {}) {
  const clock = new VirtualClock();
  const now = new Map(live);
  const outcomes: string[] = [];
  const rehearsal = new Rehearsal({
    refs: () => [...now.keys()],
    answer: (question) => now.get(nameOf(question))!,
    start: async () => {
      whileItBoots();
      return {
        ...{ isolation: 'no-network' as const, readyMs: 1 },
        answers: async (questions) => questions.map((question) => answers.get(nameOf(question)) ?? 'none'),
        async [Symbol.asyncDispose]() {},
      };
    },
    ...{ everyMs: 1_000, clock, random: systemRandom, log: createLogger({ service: 't', level: 'silent' }) },
    rehearsed: (outcome) => outcomes.push(outcome),
  });
  const done = rehearsal.rehearse(new AbortController().signal);
  await clock.advance(5_000);
  await done;
  return { outcome: outcomes.join(), provenAgeMs: rehearsal.provenAgeMs };
}

test('a shadow that answers alike proves that the gateway boots; what nobody knows is not compared', async () => {
  const { outcome, provenAgeMs } = await rehearsed(new Map([...live, ['tenant/ten_1', 'v9 y']]));
  expect(outcome).toBe('proven');
  expect(provenAgeMs).toBeLessThan(4_000);
});

test('[law 2] a shadow that would let in who was revoked differs, and proves nothing', async () => {
  const { outcome, provenAgeMs } = await rehearsed(new Map([...live, ['agent-key/aki_2', 'v1 x']]));
  expect(outcome).toBe('differs');
  expect(provenAgeMs).toBe(5_000);
});

test('one that lacks what is held differs; one that does not start fails', async () => {
  expect((await rehearsed(new Map())).outcome).toBe('differs');
  const failing = () => {
    throw new Error('it does not start');
  };
  expect((await rehearsed(live, failing)).outcome).toBe('failed');
});
