import type { Browser, BrowserContext, Page } from 'playwright-core';
import { beginSession } from '../../../hub/auth/sessions.ts';
import { startHub, type TestHub } from '../../hub/support/hub.ts';
import { HubAndSpokes } from '../../replication/support/hub-and-spokes.ts';
import { startBrowser } from '../../support/browser.ts';

export const regions = ['eu-west-1', 'us-east-1'] as const;

/** However loaded the machine is, what is waited for comes within this. */
const patienceMs = 60_000;

/** A hub whose console is open in browsers, with a publisher and two regions that serve: nothing is pretended. */
export class ConsoleInBrowser implements AsyncDisposable {
  readonly wheel: HubAndSpokes;
  readonly hub: TestHub;
  readonly #browser: Browser;
  readonly #stack: AsyncDisposableStack;
  /** What browsers complained about: scripts that failed, and what the content security policy refused. */
  readonly complaints: string[] = [];

  private constructor(wheel: HubAndSpokes, hub: TestHub, browser: Browser, stack: AsyncDisposableStack) {
    this.wheel = wheel;
    this.hub = hub;
    this.#browser = browser;
    this.#stack = stack;
  }

  static async start(): Promise<ConsoleInBrowser> {
    await using stack = new AsyncDisposableStack();
    const wheel = stack.use(
      await HubAndSpokes.start({
        regions,
        publisher: { SPOKECAST_COLLECT_EVERY_MS: '500', SPOKECAST_HEARTBEAT_EVERY_MS: '2000' },
        gateway: {
          ...{ SPOKECAST_STATUS_EVERY_MS: '500', SPOKECAST_KEY_USES_EVERY_MS: '500' },
          SPOKECAST_IMPORTED_KEYS: 'looked-up',
        },
      }),
    );
    const hub = stack.use(
      await startHub({ databaseUrl: wheel.databaseUrl, environment: { SPOKECAST_ENV: 'test' } }),
    );
    const browser = await startBrowser();
    stack.defer(() => browser.close());
    return new ConsoleInBrowser(wheel, hub, browser, stack.move());
  }

  /** A browser in which nobody is signed in. */
  async stranger(options: { javaScriptEnabled?: boolean } = {}): Promise<BrowserContext> {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(patienceMs);
    context.on('page', (page) => {
      page.on('pageerror', (error) => this.complaints.push(String(error)));
      page.on('console', (message) => {
        if (/Content Security Policy|Refused to/i.test(message.text())) this.complaints.push(message.text());
      });
    });
    return context;
  }

  /** A browser in which that person is signed in: the platform's owner unless another membership is given. */
  async person(
    name: string,
    options: { memberships?: object[]; javaScriptEnabled?: boolean } = {},
  ): Promise<BrowserContext> {
    const { memberships = [{ role: 'owner' }], ...ofBrowser } = options;
    const context = await this.stranger(ofBrowser);
    const { sql } = this.wheel;
    const email = `${name.replaceAll(/\W/g, '')}@example.com`;
    const invited = await this.hub.owner.post('/v1/users', { email, name, memberships });
    if (invited.status !== 201) throw new Error(JSON.stringify(invited.body));
    const { id } = invited.body;
    await sql`update users set status = 'active' where id = ${id}`;
    await sql`update memberships set accepted_at = now() where user_id = ${id}`;
    const { services } = this.hub.hub;
    const from = { replaces: undefined, source: 'test', userAgent: 'test' };
    const token = await beginSession(services.database.db, id, from, services);
    const { port, origin } = new URL(this.hub.url);
    await context.addCookies([{ name: `spokecast-session-${port}`, value: token, url: origin }]);
    return context;
  }

  /** A page at that path, in a tab of its own. */
  async open(context: BrowserContext, path: string): Promise<Page> {
    const page = await context.newPage();
    await page.goto(this.hub.url + path);
    return page;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
