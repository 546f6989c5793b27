import { breachOf } from './contract.ts';
import { heldAgainstContract } from './contract-stream.ts';

/** A hub's `fetch`, as the server calls it. */
export type Fetch = (request: Request, env: never) => Response | Promise<Response>;

/** Set in place of an answer that breaks the contract, with what is wrong. */
export const breachHeader = 'contract-breach';

/**
 * Stands between a hub and its server, and holds every answer against the OpenAPI document, whoever asked and however.
 * One that breaks it is replaced by a 500 that says so; and whoever saw to it that nobody noticed is told when the
 * guard is disposed of.
 */
export class ContractGuard implements Disposable {
  readonly #breaches: string[] = [];
  readonly fetch: Fetch;

  constructor(fetch: Fetch) {
    this.fetch = async (request, env) => {
      const response = await fetch(request, env);
      const breach = await this.#breachOf(request, response);
      if (breach === undefined && isStream(response)) {
        const held = heldAgainstContract((one) => this.#breaches.push(one));
        return new Response(response.body!.pipeThrough(held), response);
      }
      if (breach === undefined) return response;
      this.#breaches.push(breach);
      return new Response(breach, { status: 500, headers: { [breachHeader]: encodeURIComponent(breach) } });
    };
  }

  async #breachOf(request: Request, response: Response): Promise<string | undefined> {
    const { status, headers } = response;
    const text = isStream(response) ? '' : await response.clone().text();
    return breachOf(request.method, new URL(request.url).pathname, { status, headers, text });
  }

  [Symbol.dispose](): void {
    if (this.#breaches.length > 0)
      throw new Error(`answers that the OpenAPI document does not know:\n${this.#breaches.join('\n')}`);
  }
}

function isStream({ headers }: Response): boolean {
  return headers.get('content-type')?.startsWith('text/event-stream') ?? false;
}
