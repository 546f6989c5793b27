import { systemClock } from '../../contexts/base/clock.ts';
import type { Environment } from '../../contexts/base/options.ts';
import {
  type Answer,
  type EventsOptions,
  type FollowedEvent,
  HubApi,
  HubProblem,
  HubUnreachable,
  type InputOf,
  type ItemOf,
  type ListId,
  type OperationId,
  type RequestParts,
} from '../client/hub-api.ts';
import { everyPort, patient } from '../client/transport.ts';
import { adviceFor, exitCodes } from './exit-codes.ts';
import { type HubFlags, hubAddress } from './hub-options.ts';

export type { HubFlags } from './hub-options.ts';

/** The exit codes of the commands that speak to the hub. */
export const hubExitCodes = exitCodes;

/** The hub said no, or nothing. Carries the exit code, and the problem document's code where there was one. */
export class HubRequestError extends Error {
  override name = 'HubRequestError';
  readonly exitCode: number;
  readonly status: number | undefined;
  readonly code: string | undefined;

  constructor(message: string, exitCode: number, answered: { status?: number; code?: string } = {}) {
    super(message);
    this.exitCode = exitCode;
    this.status = answered.status;
    this.code = answered.code;
  }
}

/** The hub's API as the command line uses it: every answer is either what was wanted or an error in words. */
export class HubClient {
  readonly url: string;
  readonly #api: HubApi;

  constructor(options: { url: string; applicationKey: string; timeoutMs?: number }) {
    this.#api = new HubApi({ ...options, transport: patient(everyPort, systemClock) });
    this.url = this.#api.url;
  }

  /** @throws ConfigurationError naming every mistake. Flags go before the environment, and that before profiles. */
  static from(environment: Environment, flags: HubFlags, timeoutMs?: number): HubClient {
    const { url, applicationKey } = hubAddress(environment, flags);
    return new HubClient({ url, applicationKey, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  }

  call: HubApi['call'] = (id, ...input) => explained(this.#api.call(id, ...input));

  send<Id extends OperationId>(id: Id, ...input: InputOf<Id>) {
    return explained(this.#api.send(id, ...input));
  }

  request<Body>(method: string, path: string, parts?: RequestParts): Promise<Answer<Body>> {
    return explained(this.#api.request<Body>(method, path, parts));
  }

  /** The items of a list, at most `count` of them, and whether there are more. */
  async list<Id extends ListId>(
    id: Id,
    count: number,
    ...input: InputOf<Id>
  ): Promise<{ items: ItemOf<Id>[]; more: boolean }> {
    const items: ItemOf<Id>[] = [];
    const iterator = this.#api.items(id, ...input);
    for (;;) {
      const next = await explained(iterator.next());
      if (next.done) return { items, more: false };
      if (items.length >= count) return { items, more: true };
      items.push(next.value);
    }
  }

  async *events(options: EventsOptions): AsyncGenerator<FollowedEvent, void, undefined> {
    try {
      yield* this.#api.events(options);
    } catch (error) {
      throw explanation(error);
    }
  }

  /** @param timeoutMs where the hub is asked to take its time before it answers. */
  async get<Body>(path: string, timeoutMs?: number): Promise<Body> {
    return (await this.request<Body>('GET', path, { timeoutMs })).body;
  }
}

async function explained<Result>(asked: Promise<Result>): Promise<Result> {
  try {
    return await asked;
  } catch (error) {
    throw explanation(error);
  }
}

function explanation(error: unknown): unknown {
  if (error instanceof HubUnreachable) {
    const advice = 'Is SPOKECAST_HUB_URL right, and does it run? `spokecast doctor` looks';
    return new HubRequestError(`${error.message}. ${advice}`, exitCodes.unreachable);
  }
  if (!(error instanceof HubProblem)) return error;
  const lines = [
    error.message,
    ...error.errors.map(({ pointer, detail }) => `  ${flagOf(pointer)} ${detail}`),
    ...[adviceFor(error.code)].filter((text) => text !== undefined),
    ...(error.requestId === null ? [] : [`(the hub's log knows this request as ${error.requestId})`]),
  ];
  const { status, code } = error;
  return new HubRequestError(lines.join('\n'), exitCodeOf(status), { status, code });
}

/** `/upstreamUrl` and `?region` as the flags they were given by; what lies deeper as its path. */
function flagOf(pointer: string): string {
  const name = /^[/?](\w+)$/.exec(pointer)?.[1];
  return name === undefined ? pointer : `--${kebab(name)}:`;
}

export function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function exitCodeOf(status: number): number {
  if (status >= 500 || status === 429) return exitCodes.unreachable;
  if (status === 401 || status === 403) return exitCodes.forbidden;
  return status === 404 ? exitCodes.absent : exitCodes.refused;
}
