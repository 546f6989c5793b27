import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../../contexts/base/assert.ts';
import type { Demo } from './demo.ts';
import { wheelFiles, writePrivately } from './files.ts';
import type { WheelLayout } from './layout.ts';
import { databaseUrl } from './postgres.ts';
import { gatewayEnv } from './roles.ts';

/** `wheel.json`: what runs on this machine, for people and programs. There only while everything answers. */
export interface WheelFile {
  hub: { url: string; pid: number; applicationKey: string };
  publisher: { pid: number };
  postgres: { url: string; pid: number };
  regions: readonly WheelRegion[];
  demo: Demo;
}

export interface WheelRegion {
  id: string;
  /** `env` is what one more gateway of this region needs in its environment, beside a `SPOKECAST_PORT` of its own. */
  gateway: { url: string; pid: number; env: Record<string, string> };
  store: { endpoint: string; table: string; pid: number };
  upstream: { url: string; pid: number };
}

/** Describes the running wheel. `pidOf` tells the process id each role has, or had last. */
export function describeWheel(
  layout: WheelLayout,
  pidOf: (role: string) => number | undefined,
  applicationKey: string,
  demo: Demo,
): WheelFile {
  const pid = (role: string) => {
    const found = pidOf(role);
    assert(found !== undefined, `${role} was never started`);
    return found;
  };
  return {
    hub: { url: layout.hub.url, pid: pid('hub'), applicationKey },
    publisher: { pid: pid('publisher') },
    postgres: { url: databaseUrl(layout.postgres, layout.database), pid: pid('postgres') },
    regions: layout.regions.map((region) => ({
      id: region.id,
      gateway: { url: region.gateway.url, pid: pid(`gateway-${region.id}`), env: gatewayEnv(layout, region) },
      store: { endpoint: region.store.endpoint, table: region.store.table, pid: pid(`store-${region.id}`) },
      upstream: { url: region.upstream.url, pid: pid(`upstream-${region.id}`) },
    })),
    demo,
  };
}

export function wheelFilePath(directory: string): string {
  return join(directory, wheelFiles.wheel);
}

export function writeWheelFile(directory: string, wheel: WheelFile): Promise<void> {
  return writePrivately(wheelFilePath(directory), JSON.stringify(wheel, null, 2));
}

export function removeWheelFile(directory: string): Promise<void> {
  return rm(wheelFilePath(directory), { force: true });
}
