import { HubApi, HubProblem } from '../client/hub-api.ts';
import { everyPort } from '../client/transport.ts';

const timeoutMs = 5_000;

/** The hub's API as the wheel uses it: with the owner's key, and every answer either wanted or a HubProblem. */
export class HubClient {
  readonly #api: HubApi;

  constructor(url: string, applicationKey: string) {
    this.#api = new HubApi({ url, applicationKey, timeoutMs, transport: everyPort });
  }

  /** Whether the hub knows the application key: not so after its database was removed by hand. */
  async keyWorks(): Promise<boolean> {
    return (await this.#orNothing(this.#api.call('listRegions'), 401)) !== undefined;
  }

  /** `undefined` for what does not exist. */
  get<T>(path: string): Promise<T | undefined> {
    return this.#orNothing(this.#bodyOf<T>('GET', path), 404);
  }

  create<T>(path: string, body: unknown): Promise<T> {
    return this.#bodyOf('POST', path, body);
  }

  update<T>(path: string, body: unknown): Promise<T> {
    return this.#bodyOf('PATCH', path, body);
  }

  async #bodyOf<T>(method: string, path: string, body?: unknown): Promise<T> {
    return (await this.#api.request<T>(method, path, { body })).body;
  }

  async #orNothing<T>(asked: Promise<T>, status: number): Promise<T | undefined> {
    try {
      return await asked;
    } catch (error) {
      if (error instanceof HubProblem && error.status === status) return undefined;
      throw error;
    }
  }
}
