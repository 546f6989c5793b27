/** A browser as far as a hub can tell: it keeps cookies, says where a request comes from, and follows nothing. */
export class Visitor {
  readonly #url: string;
  readonly cookies = new Map<string, string>();
  /** What it says of where its requests come from; a cross-site attacker's say otherwise. */
  headers: Record<string, string> = { 'sec-fetch-site': 'same-origin' };

  constructor(url: string) {
    this.#url = url;
  }

  get cookie(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  async send(
    method: string,
    path: string,
    form?: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; location: string | null; headers: Headers; text: string }> {
    const response = await fetch(this.#url + path, {
      method,
      redirect: 'manual',
      headers: { ...this.headers, ...(this.cookies.size > 0 ? { cookie: this.cookie } : {}), ...headers },
      ...(form ? { body: new URLSearchParams(form) } : {}),
    });
    for (const set of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set)!;
      if (/max-age=0/i.test(set)) this.cookies.delete(name!);
      else this.cookies.set(name!, value!);
    }
    const { status, headers: answered } = response;
    return { status, location: answered.get('location'), headers: answered, text: await response.text() };
  }

  open = (path: string) => this.send('GET', path);
  submit = (path: string, form: Record<string, string> = {}, headers: Record<string, string> = {}) =>
    this.send('POST', path, form, headers);

  /** Opens a one-time link and fills in the form behind it. */
  async follow(link: string, form: Record<string, string>) {
    const { pathname, searchParams } = new URL(link);
    return this.submit(pathname, { token: searchParams.get('token')!, ...form });
  }

  /** The API, as the console's own pages call it. */
  // biome-ignore lint/suspicious/noExplicitAny: tests name the fields they look at
  async api(method: string, path: string, body?: object): Promise<{ status: number; body: any }> {
    const response = await fetch(this.#url + path, {
      method,
      headers: {
        ...this.headers,
        cookie: this.cookie,
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }
}

export const goodPassword = 'seven green bottles on a wall';
