import { request } from 'undici';
import type { Environment } from '../../contexts/base/options.ts';
import { hubAddress } from './hub-options.ts';

/** Exit codes of the commands that speak to the hub, documented in docs/operations.md. */
export const hubExitCodes = {
  /** The hub refused: it says why. */
  refused: 2,
  /** There is no such thing. */
  absent: 66,
  /** The application key is refused, or may not do this. */
  forbidden: 77,
  /** The hub does not answer, or answers that it cannot now. The same command again may work. */
  unreachable: 69,
} as const;

export interface HubFlags {
  hub?: string;
  keyFile?: string;
}

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
  readonly #url: string;
  readonly #applicationKey: string;
  readonly #timeoutMs: number;

  constructor(options: { url: string; applicationKey: string; timeoutMs?: number }) {
    this.#url = options.url;
    this.#applicationKey = options.applicationKey;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
  }

  /** @throws ConfigurationError naming every mistake. Flags go before the environment. */
  static from(environment: Environment, flags: HubFlags, timeoutMs?: number): HubClient {
    const address = hubAddress(environment, flags);
    return new HubClient({ ...address, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  }

  /** @param timeoutMs where the hub is asked to take its time before it answers. */
  get<Body>(path: string, timeoutMs?: number): Promise<Body> {
    return this.#ask<Body>('GET', path, undefined, timeoutMs);
  }

  post<Body>(path: string, body?: unknown): Promise<Body> {
    return this.#ask<Body>('POST', path, body);
  }

  patch<Body>(path: string, body: unknown): Promise<Body> {
    return this.#ask<Body>('PATCH', path, body);
  }

  delete(path: string): Promise<void> {
    return this.#ask<void>('DELETE', path);
  }

  async #ask<Body>(method: Method, path: string, body?: unknown, timeoutMs = this.#timeoutMs): Promise<Body> {
    const { status, text } = await this.#answer(method, path, body, timeoutMs).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message || error.name : String(error);
      throw new HubRequestError(
        `the hub at ${this.#url} does not answer (${reason}). Is SPOKECAST_HUB_URL right, and does it run?`,
        hubExitCodes.unreachable,
      );
    });
    if (status < 300) return this.#parse(text);
    throw refusal(method, path, status, text);
  }

  #parse<Body>(text: string): Body {
    try {
      return (text === '' ? undefined : JSON.parse(text)) as Body;
    } catch {
      const start = text.slice(0, 200);
      throw new HubRequestError(`what answers at ${this.#url} is no hub: ${start}`, hubExitCodes.unreachable);
    }
  }

  /** The whole answer: a hub that ends in the middle of it has not answered. */
  async #answer(
    method: Method,
    path: string,
    body: unknown,
    timeoutMs: number,
  ): Promise<{ status: number; text: string }> {
    const answer = await request(`${this.#url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#applicationKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  }
}

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

function refusal(method: string, path: string, status: number, text: string): HubRequestError {
  let problem: { code?: string; title?: string; detail?: string } = {};
  try {
    problem = JSON.parse(text);
  } catch {
    // Not the hub's own words: a proxy's.
  }
  const words = problem.detail ?? problem.title ?? text.slice(0, 200);
  const code = problem.code ?? String(status);
  return new HubRequestError(`${code}: ${words} (${method} ${path})`, exitCodeOf(status), { status, code });
}

function exitCodeOf(status: number): number {
  if (status >= 500 || status === 429) return hubExitCodes.unreachable;
  if (status === 401 || status === 403) return hubExitCodes.forbidden;
  return status === 404 ? hubExitCodes.absent : hubExitCodes.refused;
}
