import type { IncomingMessage, ServerResponse } from 'node:http';
import { expect, vi } from 'vitest';
import type { Logger } from '../../../contexts/base/log.ts';
import type { Body } from '../../../contexts/kinds/index.ts';
import { allOf, newDemo, publish } from './contexts.ts';
import { gatewayWorld } from './gateway-world.ts';
import { withoutRegion } from './metrics.ts';
import { startUpstream } from './upstream.ts';

export interface ForwardWorldOptions {
  environment?: Record<string, string>;
  log?: Logger;
  basePath?: string;
  upstreamUrl?: string;
  upstreams?: Body<'cluster'>['upstreams'];
}

/** A gateway with one cluster whose upstream behaves as `handle` says. */
export async function forwardWorld(
  handle: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
  options: ForwardWorldOptions = {},
) {
  const upstream = await startUpstream(handle);
  const { environment = {}, basePath = '', upstreams } = options;
  const log = options.log ? { log: options.log } : {};
  const world = await gatewayWorld({ initialised: true, environment, ...log });
  await vi.waitFor(() => expect(world.gateway.readiness().status).toBe('ready'));
  const demo = newDemo();
  const upstreamUrl = (options.upstreamUrl ?? upstream.url) + basePath;
  await publish(world.store, ...allOf(demo, 1, { upstreamUrl, ...(upstreams ? { upstreams } : {}) }));
  return {
    ...world,
    upstream,
    demo,
    origin: world.url,
    url: `${world.url}/v1/clusters/${demo.clusterId}`,
    authorization: `Bearer ${demo.secret}`,
    /** A sample of /metrics, by its name and labels. */
    async metric(sample: string): Promise<number | undefined> {
      const text = withoutRegion(await (await fetch(`${world.url}/metrics`)).text());
      const line = text.split('\n').find((each) => each.startsWith(`${sample} `));
      return line === undefined ? undefined : Number(line.slice(sample.length));
    },
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}
