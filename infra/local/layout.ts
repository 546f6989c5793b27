import { join, resolve } from 'node:path';
import { wheelFiles } from './files.ts';
import type { PostgresServer } from './postgres.ts';

/** Where everything of one wheel listens, all on loopback, and where it keeps its files. */
export interface WheelLayout {
  directory: string;
  /** `SPOKECAST_ENV` of every role. */
  environment: string;
  hub: Listener;
  publisher: Listener;
  postgres: PostgresServer;
  /** The hub's database on that server. */
  database: string;
  regions: readonly RegionLayout[];
  /** Absent: the queues live in Postgres. */
  redisUrl: string | undefined;
  /** What every role gets from outside whatever it is: the path, the user's home. */
  inherited: Record<string, string>;
  /** `SPOKECAST_` options from outside, for whichever role knows them. */
  settings: Record<string, string>;
}

export interface Listener {
  port: number;
  url: string;
}

export interface RegionLayout {
  id: string;
  gateway: Listener;
  store: { port: number; endpoint: string; table: string };
  upstream: Listener;
}

export const regionIds = ['us-east-1', 'eu-west-1', 'ap-southeast-1'] as const;
const environment = 'dev';
/** The highest port is a region's upstream's. */
export const portSpan = 300 + regionIds.length;

export interface LayoutInput {
  directory: string;
  portBase: number;
  databasePassword: string;
  /** The outer environment. */
  environment: Record<string, string | undefined>;
}

export function layoutOf(input: LayoutInput): WheelLayout {
  const { portBase } = input;
  const directory = resolve(input.directory);
  const outer = Object.entries(input.environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return {
    directory,
    environment,
    hub: listener(portBase),
    publisher: listener(portBase + 1),
    postgres: {
      directory: join(directory, wheelFiles.postgres),
      port: portBase + 50,
      password: input.databasePassword,
    },
    database: 'spokecast',
    regions: regionIds.map((id, index) => ({
      id,
      gateway: listener(portBase + 101 + index),
      store: {
        port: portBase + 201 + index,
        endpoint: listener(portBase + 201 + index).url,
        table: `spokecast-${environment}-${id}`,
      },
      upstream: listener(portBase + 301 + index),
    })),
    redisUrl: input.environment.REDIS_URL || undefined,
    inherited: {
      NODE_COMPILE_CACHE: join(directory, wheelFiles.compileCache), // a role starts in half the time
      ...Object.fromEntries(outer.filter(([name]) => inheritedNames.has(name))),
    },
    settings: Object.fromEntries(
      outer.filter(([name]) => name.startsWith('SPOKECAST_') && !assigned.has(name)),
    ),
  };
}

/** Every port of the layout with the name of who listens there. */
export function portsOf(layout: WheelLayout): { port: number; name: string }[] {
  return [
    { port: layout.hub.port, name: 'the hub' },
    { port: layout.publisher.port, name: 'the publisher' },
    { port: layout.postgres.port, name: 'Postgres' },
    ...layout.regions.flatMap(({ id, gateway, store, upstream }) => [
      { port: gateway.port, name: `the gateway of ${id}` },
      { port: store.port, name: `the store of ${id}` },
      { port: upstream.port, name: `the demo upstream of ${id}` },
    ]),
  ];
}

function listener(port: number): Listener {
  return { port, url: `http://127.0.0.1:${port}` };
}

const inheritedNames = new Set([
  'PATH',
  'HOME',
  'LANG',
  'TMPDIR',

  'NODE_OPTIONS',
  'NODE_EXTRA_CA_CERTS',
]);

/** What the wheel itself assigns to each role: a value from outside would be wrong for all but one. */
const assigned = new Set([
  'SPOKECAST_ENV',
  'SPOKECAST_HOST',
  'SPOKECAST_PORT',
  'SPOKECAST_REGION',
  'SPOKECAST_STORE_ENDPOINT',
  'SPOKECAST_STORE_TABLE',
  'SPOKECAST_SNAPSHOT_DIR',
]);
