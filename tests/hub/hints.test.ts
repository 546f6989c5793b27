import { expect, test } from 'vitest';
import { Hints } from '../../hub/hints.ts';

/** Hints over a database that answers when the test says so. */
function gated() {
  const sent: { channels: readonly string[]; answer: PromiseWithResolvers<void> }[] = [];
  const errors: unknown[] = [];
  const hints = new Hints({
    notify: (channels) => {
      const answer = Promise.withResolvers<void>();
      sent.push({ channels, answer });
      return answer.promise;
    },
    onError: (error) => errors.push(error),
  });
  return { hints, sent, errors };
}
const channels = ['spokecast_outbox', 'spokecast_events'];
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('[law 8] what commits while a hint is under way is told by one more, however much it is', async () => {
  const { hints, sent } = gated();
  hints.give();
  expect(sent.map((one) => one.channels)).toEqual([channels]);
  for (let i = 0; i < 100; i++) hints.give();
  await turn();
  expect(sent).toHaveLength(1);
  sent[0]!.answer.resolve();
  await turn();
  expect(sent.map((one) => one.channels)).toEqual([channels, channels]);
  sent[1]!.answer.resolve();
  await turn();
  expect(sent).toHaveLength(2);
});

test('no hint is lost in the moment in which another ends', async () => {
  const { hints, sent } = gated();
  hints.give();
  for (let expected = 2; expected < 20; expected++) {
    const { answer } = sent.at(-1)!;
    answer.resolve();
    for (let ticks = 0; ticks < expected; ticks++) await undefined; // somewhere around the end of the one before
    hints.give();
    await turn();
    expect(sent).toHaveLength(expected);
  }
});

test('one that fails is told of, holds up no other, and is waited for like any when the hub stops', async () => {
  const { hints, sent, errors } = gated();
  hints.give();
  hints.give();
  let stopped = false;
  const stopping = hints[Symbol.asyncDispose]().then(() => {
    stopped = true;
  });
  sent[0]!.answer.reject(new Error('gone'));
  await turn();
  expect([errors, sent.length, stopped]).toEqual([[new Error('gone')], 2, false]);
  sent[1]!.answer.resolve();
  await stopping;
});
