import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { wheelFiles } from './files.ts';
import { answersOk } from './http.ts';
import type { RegionLayout, WheelLayout } from './layout.ts';
import {
  databaseUrl,
  initialisePostgres,
  type PostgresServer,
  postgresCommand,
  postgresReady,
} from './postgres.ts';
import type { Role } from './supervisor.ts';

/**
 * The processes of the local wheel: which program, which environment, how to know that it works.
 * Hub, publisher and gateways run exactly as they do anywhere else: `spokecast <role>`, configured by environment.
 */
const bin = fileURLToPath(new URL('../bin/spokecast.js', import.meta.url));
const storeMain = fileURLToPath(new URL('./store-main.ts', import.meta.url));
const upstreamMain = fileURLToPath(new URL('./upstream-main.ts', import.meta.url));

const inOrder = { readyWithinMs: 60_000, stopSignal: 'SIGTERM', stopWithinMs: 10_000 } as const;

/** A Postgres, its files made first where they are not there yet. SIGINT is its "fast" shutdown. */
export async function postgresRole(server: PostgresServer): Promise<Role> {
  await initialisePostgres(server);
  return {
    name: 'postgres',
    ...(await postgresCommand(server)),
    env: { TZ: 'UTC' },
    ready: (pid) => postgresReady(server, pid),
    readyWithinMs: 60_000,
    stopSignal: 'SIGINT',
    stopWithinMs: 10_000,
  };
}

export function storeRole(layout: WheelLayout, region: RegionLayout): Role {
  const path = join(layout.directory, wheelFiles.stores, region.id);
  return {
    name: `store-${region.id}`,
    command: process.execPath,
    args: [storeMain, path, String(region.store.port)],
    env: layout.inherited,
    ready: () => accepts(region.store.port),
    ...inOrder,
  };
}

export function upstreamRole(layout: WheelLayout, region: RegionLayout): Role {
  return {
    name: `upstream-${region.id}`,
    command: process.execPath,
    args: [upstreamMain, region.id, String(region.upstream.port)],
    env: layout.inherited,
    ready: () => accepts(region.upstream.port),
    ...inOrder,
  };
}

export function hubRole(layout: WheelLayout): Role {
  const env = { ...databaseEnv(layout), SPOKECAST_PORT: String(layout.hub.port) };
  return spokecastRole('hub', 'hub', env, `${layout.hub.url}/readyz`);
}

export function publisherRole(layout: WheelLayout): Role {
  const env = { ...databaseEnv(layout), SPOKECAST_PORT: String(layout.publisher.port) };
  return spokecastRole('publisher', 'publisher', env, `${layout.publisher.url}/readyz`);
}

export function gatewayRole(layout: WheelLayout, region: RegionLayout): Role {
  const env = {
    ...layout.inherited,
    ...gatewayEnv(layout, region),
    SPOKECAST_PORT: String(region.gateway.port),
  };
  return spokecastRole(`gateway-${region.id}`, 'gateway', env, `${region.gateway.url}/readyz`);
}

/**
 * What one more gateway of that region needs in its environment, beside a `SPOKECAST_PORT` of its own.
 * It says nothing of the hub: a spoke does not know that there is one.
 */
export function gatewayEnv(layout: WheelLayout, region: RegionLayout): Record<string, string> {
  return {
    SPOKECAST_UPSTREAM_LOOPBACK: 'allowed', // the demo upstreams, and whatever else is tried on one machine
    ...layout.settings,
    ...onLoopback,
    SPOKECAST_ENV: layout.environment,
    SPOKECAST_REGION: region.id,
    SPOKECAST_STORE_ENDPOINT: region.store.endpoint,
    SPOKECAST_STORE_TABLE: region.store.table,
    SPOKECAST_SNAPSHOT_DIR: join(layout.directory, wheelFiles.snapshots, region.id),
    ...storeCredentials,
    AWS_REGION: region.id,
  };
}

/** What the roles beside the hub's database need: `spokecast migrate` and the making of the first key as well. */
export function databaseEnv(layout: WheelLayout): Record<string, string> {
  return {
    ...layout.inherited,
    ...layout.settings,
    ...(layout.redisUrl ? { REDIS_URL: layout.redisUrl } : {}),
    ...storeCredentials,
    ...onLoopback,
    DATABASE_URL: databaseUrl(layout.postgres, layout.database),
    SPOKECAST_ENV: layout.environment,
  };
}

/** The stores take any credentials. Given ones keep the SDK from looking for real ones on the machine or network. */
const storeCredentials = {
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
  AWS_EC2_METADATA_DISABLED: 'true',
};

const onLoopback = { SPOKECAST_HOST: '127.0.0.1' };

/** The command line of a `spokecast` subcommand. */
export function spokecast(...args: readonly string[]): { command: string; args: readonly string[] } {
  return { command: process.execPath, args: [bin, ...args] };
}

function spokecastRole(
  name: string,
  subcommand: string,
  env: Record<string, string>,
  readyUrl: string,
): Role {
  return { name, ...spokecast(subcommand), env, ready: () => answersOk(readyUrl), ...inOrder };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
