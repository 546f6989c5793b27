import { describe, expect, test } from 'vitest';
import { type Answer, type Credential, type Saying, toSaying } from './answers.ts';
import { History, type HistoryRow, type Thing } from './history.ts';
import { explained, OrderJudge } from './judge.ts';

const credential: Credential = {
  secret: 's',
  verifier: 'v',
  keyId: 'aki_1',
  clusterId: 'vci_1',
  tenantId: 'ten_1',
  moves: false,
};

/** A history in which every line is a transaction of its own, and draws the next revision: 1, 2, ... */
function historyOf(...lines: [thing: Thing, content: Record<string, unknown> | null][]): History {
  const rows = lines.flatMap(([thing, content], at): HistoryRow[] => {
    const id = { tenant: 'ten_1', cluster: 'vci_1', 'agent-key': 'aki_1' }[thing];
    const of = { at_ms: 1000 * (at + 1), xid: String(at) };
    return [
      { ...of, seq: 10 * at, thing, id, content },
      { ...of, seq: 10 * at + 1, thing: 'head', id: `${thing}/${id}`, content: { revision: at + 1 } },
    ];
  });
  return new History(rows);
}

const key = (n: number, more = {}) => ({ verifier: 'v', status: 'active', permissions: [`n${n}`], ...more });
const tenant = { status: 'active' };
const cluster = { status: 'active', name: 'c' };
const granted = (n: number): Saying => ({ says: 'granted', permissions: `n${n}`, clusterName: 'c' });

function answer(saying: Saying, endMs: number, of = credential): Answer {
  return { region: 'r', gateway: 'g', credential: of, startMs: endMs, endMs, saying };
}

function violations(history: History, ...answers: Answer[]): string[] {
  const judge = new OrderJudge();
  judge.judge(answers, history);
  return judge.violations;
}

describe('[law 2] answers of a gateway in order', () => {
  const history = historyOf(
    ['tenant', tenant],
    ['cluster', cluster],
    ['agent-key', key(1)],
    ['agent-key', key(2, { status: 'disabled' })],
    ['agent-key', null],
    ['agent-key', key(3)],
  );
  const late = 99_000;

  test('fit, also where they skip states or repeat one', () => {
    const answers = [granted(1), granted(1), { says: 'NOT_FOUND' } as const, granted(3), granted(3)].map(
      (saying) => answer(saying, late),
    );
    expect(violations(history, ...answers)).toEqual([]);
  });

  test.each<[string, Saying[]]>([
    ['a disabled key that is accepted again', [{ says: 'DISABLED' }, granted(1)]],
    ['a key that was created again and is disabled once more', [granted(3), { says: 'DISABLED' }]],
    ['a deletion after the re-creation was seen', [granted(3), { says: 'NOT_FOUND' }]],
    ['permissions that nobody ever gave', [granted(7)]],
    ['a suspension that never was', [{ says: 'TENANT_SUSPENDED' }]],
    ['a name that the cluster never had', [{ ...granted(1), clusterName: 'other' } as Saying]],
  ])('do not fit: %s', (_, sayings) => {
    expect(violations(history, ...sayings.map((saying) => answer(saying, late)))).toHaveLength(1);
  });

  test('do not fit when they come before what they tell was written', () => {
    expect(violations(history, answer(granted(3), 5_500))).toHaveLength(1);
    expect(violations(history, answer(granted(3), 6_000))).toEqual([]);
  });

  test('tell nothing of a key whose cluster moves where it is not found', () => {
    const moving = { ...credential, moves: true };
    expect(
      violations(
        history,
        ...[granted(3), { says: 'NOT_FOUND' } as const].map((s) => answer(s, late, moving)),
      ),
    ).toEqual([]);
  });

  test('are each gateway own', () => {
    const other = { ...answer(granted(1), late), gateway: 'h' };
    expect(violations(history, answer(granted(3), late), other)).toEqual([]);
  });
});

describe('an acceptance after an announced denial', () => {
  const denial = { thing: 'agent-key', id: 'aki_1', revision: 4, announcedAtMs: 5_000 } as const;

  test('is explained by a newer state, from when that was written', () => {
    const history = historyOf(
      ['tenant', tenant],
      ['cluster', cluster],
      ['agent-key', key(1)],
      ['agent-key', null],
      ['agent-key', key(2)],
    );
    expect(explained({ denial, answer: answer(granted(2), 6_000) }, history)).toBe(true);
    expect(explained({ denial, answer: answer(granted(2), 4_900) }, history)).toBe(false);
    expect(explained({ denial, answer: answer(granted(1), 6_000) }, history)).toBe(false);
  });

  test('is explained by the same state at a fresh revision, as after a move', () => {
    const rows: HistoryRow[] = [
      { seq: 1, at_ms: 1, xid: '1', thing: 'agent-key', id: 'aki_1', content: key(1) },
      { seq: 2, at_ms: 1, xid: '1', thing: 'head', id: 'agent-key/aki_1', content: { revision: 3 } },
      { seq: 3, at_ms: 2, xid: '2', thing: 'head', id: 'agent-key/aki_1', content: { revision: 4 } },
    ];
    const suspicion = { denial, answer: answer(granted(1), 6_000) };
    expect(explained(suspicion, new History(rows))).toBe(false);
    rows.push({ seq: 4, at_ms: 3, xid: '3', thing: 'head', id: 'agent-key/aki_1', content: { revision: 5 } });
    expect(explained(suspicion, new History(rows))).toBe(true);
  });
});

test('answers no gateway is to give are told apart', () => {
  expect(toSaying(200, { permissions: ['a', 'b'], clusterName: 'c' })).toEqual({
    says: 'granted',
    permissions: 'a b',
    clusterName: 'c',
  });
  expect(toSaying(503, { code: 'DANGLING' })).toEqual({ says: 'nothing', code: 'DANGLING' });
  expect(toSaying(403, { code: 'WRONG_CLUSTER' })).toBeUndefined();
  expect(toSaying(500, 'oops')).toBeUndefined();
});
