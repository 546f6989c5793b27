import { type Answer, ask } from './http.ts';

/** The hub answered a request of the wheel's own in a way that there is no plan for. */
export class UnexpectedAnswer extends Error {
  override name = 'UnexpectedAnswer';
  readonly status: number;

  constructor(method: string, path: string, answer: Answer) {
    super(`the hub answered ${method} ${path} with ${answer.status}: ${JSON.stringify(answer.body)}`);
    this.status = answer.status;
  }
}

/** The hub's API as the wheel uses it: with the owner's key, and every answer either wanted or an error. */
export class HubClient {
  readonly #url: string;
  readonly #applicationKey: string;

  constructor(url: string, applicationKey: string) {
    this.#url = url;
    this.#applicationKey = applicationKey;
  }

  /** Whether the hub knows the application key: not so after its database was removed by hand. */
  async keyWorks(): Promise<boolean> {
    const { status } = await this.#ask('GET', '/v1/regions');
    return status === 200;
  }

  /** `undefined` for what does not exist. */
  async get<T>(path: string): Promise<T | undefined> {
    const answer = await this.#ask('GET', path);
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw new UnexpectedAnswer('GET', path, answer);
    return answer.body as T;
  }

  create<T>(path: string, body: unknown): Promise<T> {
    return this.#change('POST', path, 201, body);
  }

  update<T>(path: string, body: unknown): Promise<T> {
    return this.#change('PATCH', path, 200, body);
  }

  async #change<T>(method: string, path: string, expected: number, body: unknown): Promise<T> {
    const answer = await this.#ask(method, path, body);
    if (answer.status !== expected) throw new UnexpectedAnswer(method, path, answer);
    return answer.body as T;
  }

  #ask(method: string, path: string, body?: unknown): Promise<Answer> {
    return ask(`${this.#url}${path}`, { method, body, bearer: this.#applicationKey });
  }
}
