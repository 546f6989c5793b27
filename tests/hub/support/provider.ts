import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider } from 'oidc-provider';

export interface Account {
  email?: string;
  email_verified?: boolean;
  name?: string;
}

/** A real OpenID provider on a port of its own, whose people are who the test says. */
export interface TestProvider extends AsyncDisposable {
  issuer: string;
  accounts: Map<string, Account>;
  /** Where its clients may be sent back to. */
  redirectUris: string[];
  /** How often it was asked what a code is worth. */
  tokenRequests(): number;
  /** Walks from an authorization URL through its pages as that account; the URL the browser is sent back to. */
  signIn(authorizationUrl: string, subject: string | 'declines'): Promise<string>;
}

export const client = { id: 'spokecast', secret: 'a secret that only the two know' };

export async function startProvider(): Promise<TestProvider> {
  const accounts = new Map<string, Account>();
  const redirectUris: string[] = [];
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let subject = '';
  let tokenRequests = 0;
  let made: Provider | undefined;
  /** Made when it is first asked: by then it is known where its client is. */
  const provider = () => {
    made ??= new Provider(issuer, {
      cookies: { keys: ['of the test'] },
      features: { devInteractions: { enabled: false } },
      ttl: { Interaction: 600, Grant: 600, Session: 600, AccessToken: 600, IdToken: 600 },
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
      interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
      findAccount: (_: unknown, id: string) => ({
        accountId: id,
        claims: () => ({ sub: id, ...accounts.get(id) }),
      }),
      clients: [{ client_id: client.id, client_secret: client.secret, redirect_uris: redirectUris }],
    });
    return made;
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/token') tokenRequests += 1;
    if (!request.url!.startsWith('/interaction/')) return provider().callback()(request, response);
    await provider().interactionDetails(request, response);
    if (subject === 'declines') {
      const refused = { error: 'access_denied', error_description: 'the person said no' };
      return provider().interactionFinished(request, response, refused);
    }
    const grant = new (provider().Grant)({ accountId: subject, clientId: client.id });
    grant.addOIDCScope('openid email profile');
    const done = { login: { accountId: subject }, consent: { grantId: await grant.save() } };
    return provider().interactionFinished(request, response, done);
  }

  return {
    ...{ issuer, accounts, redirectUris, tokenRequests: () => tokenRequests },
    async signIn(authorizationUrl, as) {
      subject = as;
      const cookies = new Map<string, string>();
      let at = authorizationUrl;
      for (let hop = 0; hop < 10; hop++) {
        const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
        const answer = await fetch(at, { redirect: 'manual', headers: { cookie } });
        for (const set of answer.headers.getSetCookie()) {
          const [, name, value] = /^([^=]+)=([^;]*)/.exec(set)!;
          cookies.set(name!, value!);
        }
        const location = answer.headers.get('location');
        if (location === null) throw new Error(`${at}: ${answer.status} ${await answer.text()}`);
        at = new URL(location, at).href;
        if (!at.startsWith(issuer)) return at;
      }
      throw new Error('the provider goes round in circles');
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
