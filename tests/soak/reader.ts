import { Agent, request } from 'undici';
import { systemClock as clock } from '../../contexts/base/clock.ts';
import { type Answer, type Credential, type Saying, toSaying } from './answers.ts';
import type { Platform } from './platform.ts';
import type { RoleInTrouble } from './role.ts';
import type { Tally } from './tally.ts';

/**
 * An agent that asks one gateway about every key in turn, one request after the other, so that its answers are in
 * an order. What is not answered in time says nothing.
 */
export class Reader {
  readonly #options: ReaderOptions;
  readonly #agent = new Agent({ connections: 1, headersTimeout: timeoutMs, connectTimeout: timeoutMs });
  /** Answers that were not taken to be judged yet. */
  #answers: Answer[] = [];
  readonly mistakes: string[] = [];

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  get gateway(): RoleInTrouble {
    return this.#options.gateway;
  }

  async run(): Promise<void> {
    const { platform, signal, tally } = this.#options;
    for (let turn = 0; !signal.aborted; turn++) {
      const credential = platform.credentials[turn % platform.credentials.length]!;
      const calmSinceMs = this.#options.calmSinceMs();
      const answer = await this.ask(credential);
      if (answer) {
        this.#answers.push(answer);
        this.#options.onAnswer(answer, calmSinceMs);
      }
      tally.count('answer', answer === undefined ? 'none' : describe(answer.saying));
      await clock.sleep(answer ? pauseMs : 50);
    }
  }

  async ask(credential: Credential): Promise<Answer | undefined> {
    const { gateway, url } = this.#options;
    const startMs = clock.now();
    try {
      const { statusCode, body } = await request(`${url}/v1/authenticate`, {
        dispatcher: this.#agent,
        headers: { authorization: `Bearer ${credential.secret}` },
        signal: AbortSignal.timeout(timeoutMs),
      });
      const said = await body.text();
      const saying = toSaying(statusCode, parse(said));
      if (!saying) {
        this.mistakes.push(`${gateway.name} answered ${credential.keyId} with ${statusCode}: ${said}`);
        return undefined;
      }
      const endMs = clock.now();
      return { region: gateway.region!, gateway: gateway.name, credential, startMs, endMs, saying };
    } catch {
      return undefined; // killed, frozen, or not up yet
    }
  }

  take(): Answer[] {
    const taken = this.#answers;
    this.#answers = [];
    return taken;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#agent.destroy();
  }
}

export interface ReaderOptions {
  gateway: RoleInTrouble;
  url: string;
  platform: Platform;
  tally: Tally;
  signal: AbortSignal;
  /** Since when this gateway and its store have been doing their work. */
  calmSinceMs(): number;
  onAnswer(answer: Answer, calmSinceMs: number): void;
}

/** Longer than a gateway waits for its store. */
const timeoutMs = 3_000;
const pauseMs = 4;

function describe(saying: Saying): string {
  return saying.says === 'nothing' ? `503 ${saying.code}` : saying.says;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
