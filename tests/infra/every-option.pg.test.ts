import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hubOptions } from '../../hub/config.ts';
import { publisherOptions } from '../../publisher/config.ts';
import { gatewayOptions } from '../../spoke/config.ts';
import { createDatabase } from '../support/database.ts';
import { CliProcess } from './support/cli-process.ts';

type Role = 'hub' | 'publisher' | 'gateway';
type Values = Readonly<Record<string, string>>;
type Options = Readonly<Record<string, { env: string; default?: string }>>;

/** Tested where the file, or the program, that they lead to is there; or not for people. */
const elsewhere: Record<Role, readonly string[]> = {
  hub: ['SPOKECAST_DATABASE_POOLER', 'SPOKECAST_DATABASE_DIRECT_URL', 'SPOKECAST_OIDC_CLIENT_SECRET_FILE'],
  publisher: ['SPOKECAST_DATABASE_POOLER', 'SPOKECAST_DATABASE_DIRECT_URL', 'REDIS_URL'],
  gateway: [
    ...['SPOKECAST_TLS_CERT_FILE', 'SPOKECAST_TLS_KEY_FILE', 'SPOKECAST_TLS_CLIENT_CA_FILE'],
    ...['SPOKECAST_SHADOW_SOCKET', 'SPOKECAST_SHADOW_SLOT', 'SPOKECAST_WORKER'],
  ],
};
const common = { SPOKECAST_ENV: 'test', SPOKECAST_HOST: '127.0.0.1', SPOKECAST_PORT: '0' };

/**
 * A role is started with all of its options at once, none of them at its default, and ends in order. One that no test
 * starts a process with may be one that no process starts with. Numbers are one more than usual.
 */
async function startsAndEnds(role: Role, options: Options, given: Values, says: string): Promise<void> {
  const values: Record<string, string> = { ...common, ...given };
  for (const { env, default: usual = '' } of Object.values(options)) {
    if (elsewhere[role].includes(env)) continue;
    if (/^\d+$/.test(usual)) values[env] ??= String(Number(usual) + 1);
    expect([env, values[env]]).not.toEqual([env, usual]);
    expect([env, values[env]]).not.toEqual([env, undefined]);
  }
  await using process = new CliProcess(values, [role]);
  await process.prints(says);
  process.kill('SIGTERM');
  const { exitCode, stdout, stderr } = await process.ended();
  expect([exitCode, stderr], stdout).toEqual([0, '']);
}

test('a gateway starts with every option', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'spokecast-options-'));
  const given = {
    ...{ SPOKECAST_REGION: 'eu-west-1', SPOKECAST_STORE_AWS_REGION: 'eu-west-1' },
    ...{ SPOKECAST_STORE_ENDPOINT: 'http://127.0.0.1:9', SPOKECAST_STORE_TABLE: 'a-table' },
    ...{ SPOKECAST_CACHE_FRESH_MS: '1000', SPOKECAST_IMPORTED_KEYS: 'looked-up', SPOKECAST_WARM: 'all' },
    ...{ SPOKECAST_UPSTREAM_DENIED_NETWORKS: 'none', SPOKECAST_UPSTREAM_ALLOWED_NETWORKS: '10.0.0.0/8' },
    ...{ SPOKECAST_UPSTREAM_LOOPBACK: 'allowed', SPOKECAST_TRUSTED_PROXIES: 'none' },
    ...{ SPOKECAST_SNAPSHOT_DIR: directory.path, SPOKECAST_SNAPSHOT_KEY: 'ab'.repeat(32) },
    ...{ SPOKECAST_SNAPSHOT_ENCRYPTION_KEY: 'cd'.repeat(32), SPOKECAST_DEBUG_TOKEN: 't'.repeat(40) },
    ...{ SPOKECAST_ACCESS_LOG: '0.5', SPOKECAST_LOG_LEVEL: 'debug' },
  };
  await startsAndEnds('gateway', gatewayOptions, given, '"worker":1');
});

test('a publisher starts with every option', async () => {
  await using database = await createDatabase();
  const given = {
    ...{ DATABASE_URL: database.url, SPOKECAST_ACCEPT_NEWER_SCHEMA: 'true' },
    ...{ SPOKECAST_LOG_LEVEL: 'debug' },
  };
  await startsAndEnds('publisher', publisherOptions, given, '"publisher ready"');
});

test('a hub starts with every option', async () => {
  await using database = await createDatabase();
  const given = {
    ...{ DATABASE_URL: database.url, SPOKECAST_ACCEPT_NEWER_SCHEMA: 'true', SPOKECAST_LOG_LEVEL: 'debug' },
    ...{ SPOKECAST_PUBLIC_URL: 'https://hub.example', SPOKECAST_OIDC_ISSUER: 'https://id.example' },
    ...{ SPOKECAST_OIDC_CLIENT_ID: 'spokecast', SPOKECAST_OIDC_CLIENT_SECRET: 's'.repeat(40) },
    ...{ SPOKECAST_OIDC_NAME: 'Example', SPOKECAST_OIDC_DOMAINS: 'example.com' },
    ...{ SPOKECAST_OIDC_NEW_PEOPLE: 'platform:viewer' },
  };
  await startsAndEnds('hub', hubOptions, given, '"hub ready"');
});
