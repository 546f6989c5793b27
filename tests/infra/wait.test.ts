import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { HubClient } from '../../infra/bin/hub-client.ts';
import { waitForFence } from '../../infra/bin/wait.ts';

const id = 'fen_01k9c0v8w1e4qafk3s7m2t6xhz';
const committedAt = '2026-01-01T00:00:00.000Z';
const region = {
  ...{ region: 'eu-west-1', state: 'stored', storedAt: committedAt, seenAt: null },
  ...{ seenBy: 0, gateways: 1, reason: 'gw_1 has not seen it' },
};
const open = { id, complete: false, committedAt, regions: [region] };
const seen = {
  ...{ id, complete: true, committedAt },
  regions: [{ ...region, state: 'seen', seenAt: '2026-01-01T00:00:00.250Z', seenBy: 1, reason: null }],
};

const servers: { close(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** What `spokecast wait` makes of a hub that gives these answers, the last of them for ever. */
async function waited(...answers: { status: number; body?: unknown; cut?: true }[]) {
  let asked = 0;
  const server = createServer((_request, response) => {
    const { status, body, cut } = answers[Math.min(asked++, answers.length - 1)]!;
    response.writeHead(status, cut ? { 'content-length': '100' } : {});
    if (cut) response.write('{', () => response.destroy());
    else response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const [printed, said]: [string[], string[]] = [[], []];
  const exitCode = await waitForFence({
    hub: new HubClient({ url, applicationKey: 'spa_x' }),
    ...{ fence: id, timeoutMs: asksOnce(answers) ? 0 : 30_000, json: false, clock: systemClock },
    print: (line) => printed.push(line),
    say: (line) => said.push(line),
  });
  return { exitCode, printed: printed.join('\n'), said: said.join('\n'), asked };
}

const asksOnce = (answers: readonly unknown[]) => answers.length === 1;
const problem = (status: number, code: string, detail: string) => ({ status, body: { code, detail } });

test('seen everywhere: 0, and after how long', async () => {
  const { exitCode, printed } = await waited({ status: 200, body: seen });
  expect([exitCode, printed]).toEqual([0, 'eu-west-1: seen after 0.3 s, by 1 of 1 gateways']);
});

test('not everywhere at the timeout: 75, and who lacks it', async () => {
  const { exitCode, said } = await waited({ status: 200, body: open });
  expect([exitCode, said]).toEqual([75, 'eu-west-1: gw_1 has not seen it']);
});

test.each([
  ['no such fence', problem(404, 'NOT_FOUND', 'no'), 66, `there is no fence ${id} for this key`],
  ['a key that is refused', problem(401, 'UNAUTHENTICATED', 'wrong key'), 77, 'UNAUTHENTICATED: wrong key'],
  ['a key that may not', problem(403, 'FORBIDDEN', 'not yours'), 77, 'FORBIDDEN: not yours'],
  ['a hub that cannot now', problem(503, 'UNAVAILABLE', 'later'), 69, 'did not answer within 0.0 s'],
  ['a hub that has enough', problem(429, 'TOO_MANY', 'slowly'), 69, 'did not answer within 0.0 s'],
  ['no hub at all', { status: 200, body: '<html>' }, 69, 'is no hub: <html>'],
])('%s', async (_name, answer, code, words) => {
  const { exitCode, said } = await waited(answer);
  expect([exitCode, said]).toEqual([code, expect.stringContaining(words)]);
});

test('a hub that ends in the middle of its answer is asked again', async () => {
  const restarting = problem(503, 'UNAVAILABLE', 'restarting');
  const { exitCode, asked } = await waited(
    { status: 200, cut: true },
    restarting,
    { status: 200, body: open },
    { status: 200, body: seen },
  );
  expect([exitCode, asked]).toEqual([0, 4]);
});
