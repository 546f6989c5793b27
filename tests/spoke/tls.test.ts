import { once } from 'node:events';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { type Agent, type RequestOptions, request } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ConfigurationError } from '../../contexts/base/options.ts';
import { describeWith } from '../support/requirements.ts';
import { Authority } from './support/certificates.ts';
import { forwardWorld } from './support/forward-world.ts';
import { gatewayWorld } from './support/gateway-world.ts';
import { answerOf } from './support/upstream.ts';

describeWith('openssl', 'TLS', () => {
  let authority: Authority;
  let ca: string;
  beforeAll(async () => {
    authority = await Authority.create();
    for (const name of ['first', 'second', 'agent']) await authority.sign(name);
    [, ca] = await authority.read('ca');
  });
  afterAll(() => authority[Symbol.asyncDispose]());

  /** Puts the files of `name` where a gateway looks for them. */
  async function install(name: string, where = 'served') {
    const [from, to] = [authority.files(name), authority.files(where)];
    await copyFile(from.cert, to.cert);
    await copyFile(from.key, to.key);
    return { SPOKECAST_TLS_CERT_FILE: to.cert, SPOKECAST_TLS_KEY_FILE: to.key };
  }
  const mutual = () => ({ SPOKECAST_TLS_CLIENT_CA_FILE: authority.files('ca').cert });

  function ask(url: string, options: RequestOptions = {}, agent: Agent | false = false) {
    const outgoing = request(url, { ca, agent, ...options });
    outgoing.end();
    return answerOf(outgoing as never);
  }

  /** The common name of the certificate that a new connection is shown. */
  async function shownAt(url: string): Promise<string> {
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', ca });
    await once(socket, 'secureConnect');
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return String(subject.CN);
  }

  test('is spoken where a certificate is given, and nothing else is', async () => {
    const environment = await install('first');
    await using world = await forwardWorld(
      (incoming, outgoing) => outgoing.end(JSON.stringify(incoming.headers)),
      {
        environment,
      },
    );
    expect(world.origin).toMatch(/^https:/);
    const headers = { authorization: world.authorization };
    expect((await ask(`${world.origin}/v1/authenticate`, { headers })).status).toBe(200);
    expect((await ask(world.url, { headers })).json()).toMatchObject({ 'x-forwarded-proto': 'https' });
    await expect(fetch(world.origin.replace('https', 'http'))).rejects.toThrow();
    await expect(
      ask(`${world.origin}/healthz`, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' }),
    ).rejects.toThrow();
  });

  test('with an authority for clients, nobody gets in without a certificate of it', async () => {
    await using world = await gatewayWorld({
      initialised: true,
      environment: { ...(await install('first')), ...mutual() },
    });
    await expect(ask(`${world.url}/healthz`)).rejects.toThrow();
    await using stranger = await Authority.create();
    await stranger.sign('agent');
    const [strangeKey, strangeCert] = await stranger.read('agent');
    await expect(ask(`${world.url}/healthz`, { key: strangeKey, cert: strangeCert })).rejects.toThrow();
    const [key, cert] = await authority.read('agent');
    expect((await ask(`${world.url}/healthz`, { key, cert })).status).toBe(200);
  });

  test('takes a new certificate without a restart, once it is whole; open connections stay open', async () => {
    const environment = { ...(await install('first')), SPOKECAST_TLS_RELOAD_MS: '20' };
    await using world = await gatewayWorld({ initialised: true, environment });
    expect(await shownAt(world.url)).toBe('first');
    const { port } = new URL(world.url);
    const kept: TLSSocket = connect({ port: Number(port), host: '127.0.0.1', ca });
    await once(kept, 'secureConnect');

    const metric = async (outcome: string) =>
      (await ask(`${world.url}/metrics`)).text.includes(
        `spokecast_tls_certificate_changes_total{outcome="${outcome}"`,
      );
    const second = authority.files('second');
    await copyFile(second.cert, environment.SPOKECAST_TLS_CERT_FILE); // its key is not there yet
    await vi.waitFor(async () => expect(await metric('refused')).toBe(true));
    expect(await shownAt(world.url)).toBe('first');
    await copyFile(second.key, environment.SPOKECAST_TLS_KEY_FILE);
    await vi.waitFor(async () => expect(await shownAt(world.url)).toBe('second'));
    expect(await metric('reloaded')).toBe(true);

    kept.write('GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    const [answer] = (await once(kept, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200/);
    kept.destroy();
  });

  test('looks at once when told to, and takes authorities of clients back', async () => {
    const environment = { ...(await install('first')), ...mutual(), SPOKECAST_TLS_RELOAD_MS: '3600000' };
    await using world = await gatewayWorld({ initialised: true, environment });
    const [key, cert] = await authority.read('agent');
    expect((await ask(`${world.url}/healthz`, { key, cert })).status).toBe(200);
    await using stranger = await Authority.create();
    const before = await readFile(environment.SPOKECAST_TLS_CLIENT_CA_FILE, 'utf8');
    await copyFile(stranger.files('ca').cert, environment.SPOKECAST_TLS_CLIENT_CA_FILE);
    world.gateway.reloadCertificate();
    await vi.waitFor(() => expect(ask(`${world.url}/healthz`, { key, cert })).rejects.toThrow());
    await writeFile(environment.SPOKECAST_TLS_CLIENT_CA_FILE, before);
  });

  test('[law 10] files that make no certificate are named at the start, and nothing of them is told', async () => {
    const environment = await install('first');
    const [key] = await authority.read('second');
    const start = (changes: object) => gatewayWorld({ environment: { ...environment, ...changes } });
    const missing = start({ SPOKECAST_TLS_CERT_FILE: '/nowhere/x.crt' });
    await expect(missing).rejects.toThrow(/\/nowhere\/x\.crt: cannot be read \(ENOENT\)/);
    await expect(missing).rejects.toBeInstanceOf(ConfigurationError);
    await writeFile(environment.SPOKECAST_TLS_KEY_FILE, key);
    await expect(start({})).rejects.toThrow(/is not the key of the certificate/);
    await writeFile(environment.SPOKECAST_TLS_KEY_FILE, `${key.slice(0, 90)}\n-----END PRIVATE KEY-----\n`);
    const broken = start({});
    await expect(broken).rejects.toThrow(/no private key in PEM/);
    await expect(broken).rejects.not.toThrow(key.slice(40, 80));
    await expect(
      start({ SPOKECAST_TLS_CLIENT_CA_FILE: environment.SPOKECAST_TLS_KEY_FILE }),
    ).rejects.toThrow();
  });
});
