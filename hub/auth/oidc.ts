import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import * as client from 'openid-client';
import type { Clock } from '../../contexts/base/clock.ts';
import type { Random } from '../../contexts/base/random.ts';
import { isLoopback } from './site.ts';
import { isToken, newToken } from './tokens.ts';

export interface OidcSettings {
  issuer: string;
  clientId: string;
  /** Asked for with each discovery, so that a file may be replaced. Undefined for a public client. */
  clientSecret: { value: string } | { file: string } | undefined;
  /** What the sign-in page calls the provider. */
  name: string;
}

/** Who the provider says somebody is. The person is known by issuer and subject alone. */
export interface Identity {
  issuer: string;
  subject: string;
  /** In lower case; undefined unless the provider says that it has verified it. */
  verifiedEmail: string | undefined;
  name: string | undefined;
}

export type OidcOutcome =
  | { outcome: 'identified'; identity: Identity }
  /** The person said no at the provider, or it refuses them. */
  | { outcome: 'declined'; reason: string }
  /**
   * What came back is not the answer to what this browser asked, or the provider takes its code for none of its own (any
   * more): an old tab, the back button, or a forgery.
   */
  | { outcome: 'not-ours'; reason: string }
  /** The provider does not answer, or not as it should. */
  | { outcome: 'failed'; reason: string };

/** What a browser keeps while its person is at the provider: the state, nonce and verifier are derived from it. */
export type FlowToken = string;

/** What a token endpoint says of a code or a verifier that is not right (RFC 6749 5.2). */
const codeFaults = new Set(['invalid_grant', 'invalid_request']);

const refreshEveryMs = 3_600_000;
const timeoutSeconds = 10;

/**
 * Signing in at an OpenID provider: authorization code flow with PKCE, state and nonce.
 *
 * Nothing of a flow is stored here. The browser holds one random token in a cookie; what is sent to the provider are
 * hashes of it, so that the answer is good in that browser alone, and the code worthless without it.
 */
export class Oidc {
  readonly settings: OidcSettings;
  readonly #clock: Clock;
  readonly #random: Random;
  #discovered: { configuration: Promise<client.Configuration>; atMs: number } | undefined;

  constructor(settings: OidcSettings, parts: { clock: Clock; random: Random }) {
    this.settings = settings;
    this.#clock = parts.clock;
    this.#random = parts.random;
  }

  /** Where to send a browser, and what it is to keep meanwhile. @throws what discovery throws. */
  async begin(redirectUri: string): Promise<{ url: URL; token: FlowToken }> {
    const token = newToken(this.#random);
    const url = client.buildAuthorizationUrl(await this.#configuration(), {
      redirect_uri: redirectUri,
      scope: 'openid email profile',
      state: derived('state', token),
      nonce: derived('nonce', token),
      code_challenge: await client.calculatePKCECodeChallenge(derived('verifier', token)),
      code_challenge_method: 'S256',
    });
    return { url, token };
  }

  /** What the answer that a browser came back with says. `url` is the redirect URI with what the provider added. */
  async finish(url: URL, token: FlowToken): Promise<OidcOutcome> {
    if (!isToken(token)) return { outcome: 'not-ours', reason: 'no flow token' };
    // Told apart here, so that somebody else's answer is not taken for a fault of the provider.
    if (url.searchParams.get('state') !== derived('state', token))
      return { outcome: 'not-ours', reason: 'another state' };
    try {
      const tokens = await client.authorizationCodeGrant(await this.#configuration(), url, {
        expectedState: derived('state', token),
        expectedNonce: derived('nonce', token),
        pkceCodeVerifier: derived('verifier', token),
        idTokenExpected: true,
      });
      const claims = tokens.claims()!;
      const identity = { ...claims, ...(await this.#fromUserInfo(tokens.access_token, claims)) };
      return { outcome: 'identified', identity: identityOf(identity) };
    } catch (error) {
      if (error instanceof client.AuthorizationResponseError)
        return { outcome: 'declined', reason: error.error };
      if (error instanceof client.ResponseBodyError && codeFaults.has(error.error))
        return { outcome: 'not-ours', reason: error.error };
      return { outcome: 'failed', reason: reasonOf(error) };
    }
  }

  /** Address and name, where the provider tells them at its userinfo endpoint only (as the specification has it). */
  async #fromUserInfo(accessToken: string, { sub, email }: client.IDToken): Promise<Partial<client.IDToken>> {
    const configuration = await this.#configuration();
    if (email !== undefined || configuration.serverMetadata().userinfo_endpoint === undefined) return {};
    const info = await client.fetchUserInfo(configuration, accessToken, sub);
    return { email: info.email, email_verified: info.email_verified, name: info.name };
  }

  /** The provider's metadata, read again every hour. A failure is not kept. */
  #configuration(): Promise<client.Configuration> {
    const now = this.#clock.monotonic();
    if (this.#discovered && now - this.#discovered.atMs < refreshEveryMs)
      return this.#discovered.configuration;
    const configuration = this.#discover();
    const discovered = { configuration, atMs: now };
    this.#discovered = discovered;
    configuration.catch(() => {
      if (this.#discovered === discovered) this.#discovered = undefined;
    });
    return configuration;
  }

  async #discover(): Promise<client.Configuration> {
    const { issuer, clientId, clientSecret } = this.settings;
    const secret =
      clientSecret === undefined
        ? undefined
        : 'value' in clientSecret
          ? clientSecret.value
          : (await readFile(clientSecret.file, 'utf8')).trim();
    const server = new URL(issuer);
    const plain = server.protocol === 'http:' && isLoopback(server.hostname);
    return client.discovery(
      server,
      clientId,
      secret,
      secret === undefined ? client.None() : client.ClientSecretBasic(secret),
      { timeout: timeoutSeconds, ...(plain ? { execute: [client.allowInsecureRequests] } : {}) },
    );
  }
}

function derived(what: 'state' | 'nonce' | 'verifier', token: FlowToken): string {
  return hash('sha256', `spokecast oidc ${what} ${token}`, 'base64url');
}

function identityOf(claims: client.IDToken): Identity {
  const { iss, sub, email, email_verified: isVerified, name } = claims;
  const verified = isVerified === true && typeof email === 'string';
  return {
    issuer: iss,
    subject: sub,
    verifiedEmail: verified ? email.trim().toLowerCase() : undefined,
    name: typeof name === 'string' ? name : undefined,
  };
}

/** Without what the provider sent: tokens may be in it. */
export function reasonOf(error: unknown): string {
  const { name, message, code, cause } = error as Error & { code?: string };
  const root = cause instanceof Error ? `: ${cause.message}` : '';
  return `${code ?? name}: ${message}${root}`.slice(0, 300);
}
