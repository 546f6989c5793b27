import { expect, test } from 'vitest';
import { ConfigurationError } from '../../contexts/base/options.ts';
import { printableConfig, readConfig } from '../../hub/config.ts';

test('a hub needs a database, and nothing else', () => {
  const config = readConfig({ DATABASE_URL: 'postgres://u:hunter2@db/hub' }, []);
  expect(config).toMatchObject({ port: 4000, environment: 'dev', proxyHops: 0 });
  expect(JSON.stringify(printableConfig(config))).not.toContain('hunter2');
});

test('every mistake is named at once, and no secret with it', () => {
  const environment = {
    DATABASE_URL: 'mysql://u:hunter2@db',
    SPOKECAST_PORT: '70000',
    SPOKECAST_LOG_LEVEL: 'loud',
    SPOKECAST_PRT: '1',
  };
  let error: unknown;
  try {
    readConfig(environment, ['SPOKECAST_REGION']);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(ConfigurationError);
  const { message } = error as Error;
  for (const name of Object.keys(environment)) expect(message).toContain(name);
  expect(message).not.toContain('hunter2');
});

test('where browsers reach the hub is https, or this machine', () => {
  const read = (url: string) =>
    readConfig({ DATABASE_URL: 'postgres://db/hub', SPOKECAST_PUBLIC_URL: url }, []).publicUrl;
  expect(read('https://Hub.Example/')).toBe('https://hub.example');
  expect(read('http://localhost:4000')).toBe('http://localhost:4000');
  for (const url of ['http://hub.example', 'https://hub.example/console', 'https://u:p@hub.example', 'hub'])
    expect(() => read(url), url).toThrow('SPOKECAST_PUBLIC_URL');
});

test('options of an OpenID provider are looked at together', () => {
  const base = { DATABASE_URL: 'postgres://db/hub' };
  const issuer = { SPOKECAST_OIDC_ISSUER: 'https://id.example', SPOKECAST_OIDC_CLIENT_ID: 'hub' };
  const read = (more: Record<string, string>) => readConfig({ ...base, ...more }, []);
  expect(read({ ...issuer, SPOKECAST_OIDC_NEW_PEOPLE: 'platform:viewer' })).toMatchObject({
    oidcNewPeople: { tenantId: null, role: 'viewer' },
  });
  expect(read({ ...issuer, SPOKECAST_OIDC_DOMAINS: 'A.example, b.example' }).oidcDomains).toEqual([
    ...['a.example', 'b.example'],
  ]);
  for (const [more, named] of [
    [{ SPOKECAST_OIDC_ISSUER: 'https://id.example' }, 'SPOKECAST_OIDC_CLIENT_ID'],
    [{ SPOKECAST_OIDC_CLIENT_ID: 'hub' }, 'SPOKECAST_OIDC_ISSUER'],
    [{ ...issuer, SPOKECAST_OIDC_ISSUER: 'http://id.example' }, 'https'],
    [{ ...issuer, SPOKECAST_OIDC_NEW_PEOPLE: 'everybody' }, 'platform:viewer'],
    [
      { ...issuer, SPOKECAST_OIDC_CLIENT_SECRET: 'hunter2', SPOKECAST_OIDC_CLIENT_SECRET_FILE: 'x' },
      'keep one',
    ],
  ] as [Record<string, string>, string][]) {
    expect(() => read(more), named).toThrow(named);
    expect(() => read(more)).not.toThrow('hunter2');
  }
});
