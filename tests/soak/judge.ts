import { type Answer, agrees, type Credential, idOf, type Saying, things } from './answers.ts';
import type { History, Thing } from './history.ts';

/**
 * Judges what gateways answered by what was committed.
 *
 * *Nothing goes back:* the answers of a gateway, in their order, must fit states of each thing that never go back:
 * to every answer belongs a state that leads to it, was written before the answer came, and is not older than the
 * state of the answer before. An answer without one was taken from an older state, or from none that ever was. A
 * gateway that was restarted is held to what it said before: its store has not gone back either.
 */
export class OrderJudge {
  /** By gateway and thing: the oldest state that its answers so far may have come from. */
  readonly #reached = new Map<string, number>();
  readonly violations: string[] = [];
  judged = 0;

  /** The answers of each gateway must come in the order in which they were given. */
  judge(answers: readonly Answer[], history: History): void {
    for (const answer of answers) {
      this.judged += 1;
      for (const thing of things) this.#judge(answer, thing, history);
    }
  }

  #judge(answer: Answer, thing: Thing, history: History): void {
    const { saying, credential, gateway, endMs } = answer;
    const id = idOf(credential, thing);
    const states = history.states(thing, id);
    if (agrees(saying, thing, states[0]!, credential) === undefined) return;
    const name = `${gateway} ${thing}/${id}`;
    const from = this.#reached.get(name) ?? 0;
    const found = states.findIndex(
      (state, index) =>
        index >= from && state.atMs <= endMs + clockToleranceMs && agrees(saying, thing, state, credential),
    );
    if (found >= 0) this.#reached.set(name, found);
    else if (this.violations.length < violationsMax) {
      const earlier = states.findLastIndex((state) => agrees(saying, thing, state, credential));
      const why =
        earlier < 0
          ? 'which it never was'
          : `which is state ${earlier}; it had answered from state ${from} already`;
      this.violations.push(
        `${time(endMs)} ${gateway} answered ${sayingText(saying)} to ${credential.keyId}: of ${thing}/${id} that means a state ${why}`,
      );
    }
  }
}

/** Something that denies, as a region's feed announced it. */
export interface Denial {
  thing: Thing;
  id: string;
  revision: number;
  /** When the announcement could be read. Unix ms. */
  announcedAtMs: number;
}

/** An acceptance long after a denial was announced, to be judged once it is known what had been committed by then. */
export interface Suspicion {
  denial: Denial;
  answer: Answer;
}

/**
 * Whether the acceptance is explained by a revision above the denial's: one that had been drawn by then, for a state
 * that leads to that very answer. Else a revoked key was let in.
 */
export function explained({ denial, answer }: Suspicion, history: History): boolean {
  const states = history.states(denial.thing, denial.id);
  const drawn = history.drawn(denial.thing, denial.id);
  return states.some((state, index) => {
    if (!agrees(answer.saying, denial.thing, state, answer.credential)) return false;
    const next = states[index + 1]?.revision ?? Number.POSITIVE_INFINITY;
    return drawn.some(
      ({ revision, atMs }) =>
        revision > denial.revision &&
        revision >= state.revision &&
        revision < next &&
        atMs <= answer.endMs + clockToleranceMs,
    );
  });
}

export function describeSuspicion({ denial, answer }: Suspicion): string {
  const { thing, id, revision, announcedAtMs } = denial;
  const lateMs = Math.round(answer.startMs - announcedAtMs);
  return (
    `${time(answer.endMs)} ${answer.gateway} accepted ${answer.credential.keyId} ${lateMs} ms after ` +
    `${answer.region} announced that ${thing}/${id} denies it, at revision ${revision}`
  );
}

/** Whether the content of a context denies that credential, as far as one can tell from it alone. */
export function denies(thing: Thing, body: Record<string, unknown>, credential: Credential): boolean {
  if (thing === 'agent-key') return body.status !== 'active' || body.verifier !== credential.verifier;
  return body.status !== 'active';
}

/** Postgres' clock is this machine's, told in other units. */
const clockToleranceMs = 5;
const violationsMax = 20;

export function time(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}

function sayingText(saying: Saying): string {
  if (saying.says !== 'granted') return saying.says;
  return `200 (permissions ${saying.permissions}, cluster ${saying.clusterName})`;
}
