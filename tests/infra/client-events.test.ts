import { expect, test } from 'vitest';
import { EventsEnded, HubApi, HubProblem, type Transport } from '../../infra/client/hub-api.ts';

/** The client's half of the stream, against answers as a hub or a broken way to it gives them. */

const relayed = (id: string) =>
  `id: ${id}\nevent: propagation\ndata: ${JSON.stringify({ fence: `fen_${id}`, step: 'relayed', region: null, at: 'now' })}\n\n`;
const ready = (id: string) => `retry: 1\nid: ${id}\nevent: ready\ndata: {"after":"${id}","oldest":"1-0"}\n\n`;

type Scripted = {
  status?: number;
  pieces?: string[];
  afterwards?: 'ends' | 'breaks' | 'stays';
  unreachable?: true;
};

/** Answers one request after the other by the script, and notes what was asked. */
function scripted(...script: Scripted[]) {
  const asked: { url: string; lastEventId: string | undefined }[] = [];
  const transport: Transport = async (url, { headers, signal }) => {
    asked.push({ url, lastEventId: headers['last-event-id'] });
    const next = script.shift();
    if (!next) throw new Error('asked once too often');
    const { status = 200, pieces = [], afterwards = 'ends', unreachable } = next;
    if (unreachable) throw new Error('connection refused');
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
        if (afterwards === 'ends') controller.close();
        signal.addEventListener('abort', () => controller.error(signal.reason), { once: true });
      },
      pull(controller) {
        if (afterwards === 'breaks') controller.error(new Error('reset'));
      },
    });
    const text = async () =>
      JSON.stringify({ status, code: status === 410 ? 'EVENTS_EXPIRED' : 'OTHER', detail: 'so' });
    return { ok: status < 300, status, headers: new Headers(), text, body: body as never };
  };
  return { asked, hub: new HubApi({ url: 'http://hub.test', applicationKey: 'spa_x', transport }) };
}

test('events come whole whatever pieces they come in; comments and unknown kinds are passed over', async () => {
  const text = `${ready('1-1')}: heartbeat\nid: 1-2\n\nid: 1-3\nevent: weather\ndata: {}\n\n${relayed('1-4')}`;
  const positions: string[] = [];
  const { hub } = scripted({ pieces: [...text], afterwards: 'stays' });
  for await (const event of hub.events({ onPosition: (id) => positions.push(id) })) {
    expect(event).toMatchObject({ id: '1-4', event: 'propagation', data: { fence: 'fen_1-4' } });
    break;
  }
  expect(positions).toEqual(['1-1', '1-2', '1-3', '1-4']);
});

test('a stream that ends, breaks or cannot be opened again for a moment is gone on with where it was', async () => {
  const end = `id: 1-6\nevent: end\ndata: {"reason":"stopping","detail":"x"}\n\n`;
  const { hub, asked } = scripted(
    { pieces: [ready('1-4'), relayed('1-5'), end] },
    { pieces: [ready('1-6')], afterwards: 'breaks' },
    { unreachable: true },
    { status: 503 },
    { pieces: [ready('1-6'), relayed('1-7')], afterwards: 'stays' },
  );
  const ids: string[] = [];
  for await (const { id } of hub.events({ since: 'oldest' })) {
    ids.push(id);
    if (ids.length === 2) break;
  }
  expect(ids).toEqual(['1-5', '1-7']);
  expect(asked).toEqual([
    { url: 'http://hub.test/v1/events?since=oldest', lastEventId: undefined },
    ...Array(4).fill({ url: 'http://hub.test/v1/events', lastEventId: '1-6' }),
  ]);
});

test.each<[string, Scripted[], unknown]>([
  ['what the first attempt is refused with', [{ status: 503 }], HubProblem],
  ['an id that is not kept', [{ pieces: [ready('1-1')] }, { status: 410 }], HubProblem],
  [
    'a key that is not valid any more',
    [{ pieces: [ready('1-1'), 'id: 1-1\nevent: end\ndata: {"reason":"refused","detail":"x"}\n\n'] }],
    EventsEnded,
  ],
])('%s is thrown', async (_, script, error) => {
  await expect(
    scripted(...script)
      .hub.events()
      .next(),
  ).rejects.toBeInstanceOf(error);
});

test('it ends when the caller has had enough', async () => {
  const enough = new AbortController();
  const { hub } = scripted({ pieces: [ready('1-1'), relayed('1-2')], afterwards: 'stays' });
  const ids: string[] = [];
  for await (const { id } of hub.events({ signal: enough.signal })) {
    ids.push(id);
    enough.abort();
  }
  expect(ids).toEqual(['1-2']);
});
