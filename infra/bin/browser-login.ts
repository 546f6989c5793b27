import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, platform } from 'node:os';
import { z } from 'zod';
import { systemRandom } from '../../contexts/base/random.ts';
import type { Cli } from './cli.ts';
import { exitCodes } from './exit-codes.ts';

/** Somebody has this long to sign in and say yes. */
const patienceMs = 300_000;

const answer = z.object({
  secret: z.string(),
  email: z.string(),
  role: z.string(),
  tenantId: z.string().nullable(),
  expiresAt: z.string(),
});
export type BrowserKey = z.infer<typeof answer>;

/** No key was given: nobody said yes in time, or the hub says no. */
export class LoginFailed extends Error {
  override name = 'LoginFailed';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.forbidden) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Has the person say in the browser that this command may act as them, and takes the key for it. The browser brings a
 * code back to a port of this machine; the code is worth nothing without the verifier, which never leaves here.
 * @throws LoginFailed
 */
export async function loginInBrowser(hubUrl: string, { terminal, clock }: Cli): Promise<BrowserKey> {
  const [state, verifier] = [token(), token()];
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    const { port } = server.address() as AddressInfo;
    const name = `spokecast on ${hostname()}`.slice(0, 120);
    const challenge = hash('sha256', verifier, 'base64url');
    const asked = new URLSearchParams({ port: String(port), state, challenge, name });
    const url = `${hubUrl}/command-line?${asked}`;
    terminal.say(`Open this in a browser on this machine, sign in, and say yes:\n\n  ${url}\n`);
    if (terminal.isPerson) open(url);
    const done = new AbortController();
    const late = clock.sleep(patienceMs, done.signal).then(() => undefined);
    const code = await Promise.race([codeFrom(server, state), late]);
    done.abort();
    if (code === undefined) throw new LoginFailed('nobody said yes within five minutes: run it again');
    return await exchange(hubUrl, { code, verifier, name });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

function token(): string {
  return Buffer.from(systemRandom.bytes(32)).toString('base64url');
}

/** The code that the browser brings; whatever else comes to the port is told that it is not for it. */
function codeFrom(server: Server, state: string): Promise<string> {
  return new Promise((resolve) => {
    server.on('request', (request, response) => {
      const query = new URL(request.url ?? '/', 'http://127.0.0.1').searchParams;
      const code = query.get('code');
      const isOurs = request.method === 'GET' && query.get('state') === state && code !== null;
      response.writeHead(isOurs ? 200 : 404, {
        'content-type': 'text/plain; charset=utf-8',
        'cache-control': 'no-store',
        connection: 'close',
      });
      response.end(
        isOurs ? 'The command line has what it needs. You can close this page.\n' : 'Nothing here.\n',
        () => {
          if (isOurs) resolve(code);
        },
      );
    });
  });
}

async function exchange(hubUrl: string, given: Record<string, string>): Promise<BrowserKey> {
  const body = new URLSearchParams(given);
  const request = { method: 'POST', body, redirect: 'error' } as const; // what it carries is for this hub alone
  const response = await fetch(`${hubUrl}/command-line/key`, request).catch((error) => {
    throw new LoginFailed(`${hubUrl} does not answer: ${(error as Error).message}`, exitCodes.unreachable);
  });
  const read: unknown = await response.json().catch(() => undefined);
  const key = answer.safeParse(read);
  if (response.ok && key.success) return key.data;
  const detail = (read as { detail?: string } | undefined)?.detail ?? `it answered ${response.status}`;
  throw new LoginFailed(`the hub gave no key: ${detail}`);
}

/**
 * Has the hub revoke a key that was got that way. `not-valid`: it did not work any more. `not-offered`: the hub is older
 * than this command, or the key was handed over and is not the person's any more. @throws LoginFailed where the hub does not answer.
 */
export async function revokeBrowserKey(
  hubUrl: string,
  applicationKey: string,
): Promise<'revoked' | 'not-valid' | 'not-offered'> {
  const headers = { authorization: `Bearer ${applicationKey}` };
  const path = `${hubUrl}/command-line/key/revoke`;
  const response = await fetch(path, {
    method: 'POST',
    headers,
    body: new URLSearchParams(),
    redirect: 'manual',
  }).catch((error) => {
    throw new LoginFailed(`${hubUrl} does not answer: ${(error as Error).message}`, exitCodes.unreachable);
  });
  if (response.ok) return 'revoked';
  if (response.status === 401) return 'not-valid';
  if (response.status === 403 || response.status === 404) return 'not-offered';
  throw new LoginFailed(`${hubUrl} answered ${response.status}`, exitCodes.unreachable);
}

/** As far as this machine knows how; the address has been printed. */
function open(url: string): void {
  const [command, ...args] =
    platform() === 'darwin'
      ? ['open', url]
      : platform() === 'win32'
        ? ['rundll32', 'url.dll,FileProtocolHandler', url]
        : ['xdg-open', url];
  const child = spawn(command!, args, { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}
