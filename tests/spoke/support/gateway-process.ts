import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../../contexts/base/clock.ts';
import { guarded } from '../../support/guarded.ts';
import { freePort } from '../../support/process.ts';
import { owner } from './contexts.ts';
import { withoutRegion } from './metrics.ts';

const bin = fileURLToPath(new URL('../../../infra/bin/spokecast.js', import.meta.url));
/** As the wheels have it: a role starts in half the time. */
const compileCache = fileURLToPath(
  new URL('../../../node_modules/.cache/spokecast-compile', import.meta.url),
);

/** A gateway as a process of its own, started as anywhere else: `spokecast gateway`. */
export class GatewayProcess implements AsyncDisposable {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly startedAt = systemClock.monotonic();
  #output = '';

  private constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.url = `http://127.0.0.1:${port}`;
    this.#exited = once(process, 'exit');
    for (const stream of [process.stdout!, process.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
  }

  /** Where `endpoint` is absent, its store is gone. */
  static async start(options: {
    endpoint?: string;
    table?: string;
    env?: Record<string, string>;
    args?: readonly string[];
    /** Where it is to listen; else where nobody does. */
    port?: number;
  }): Promise<GatewayProcess> {
    const port = options.port ?? (await freePort());
    const { endpoint = `http://127.0.0.1:${await freePort()}`, table, env, args = [] } = options;
    const child = guarded(
      spawn(process.execPath, [bin, 'gateway', ...args], {
        detached: true,
        env: {
          PATH: process.env.PATH,
          NODE_COMPILE_CACHE: compileCache,
          ...{ AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local', AWS_REGION: owner.region },
          ...{ SPOKECAST_ENV: owner.environment, SPOKECAST_REGION: owner.region },
          ...{
            SPOKECAST_HOST: '127.0.0.1',
            SPOKECAST_PORT: String(port),
            SPOKECAST_STORE_ENDPOINT: endpoint,
          },
          ...(table ? { SPOKECAST_STORE_TABLE: table } : {}),
          SPOKECAST_UPSTREAM_LOOPBACK: 'allowed',
          ...env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
    return new GatewayProcess(child, port);
  }

  get pid(): number {
    return this.#process.pid!;
  }

  get output(): string {
    return this.#output;
  }

  /** Resolves with what /readyz says as soon as it is 200, and how long that took from the start of the process. */
  async ready(withinMs = 60_000): Promise<{ status: string; reasons: string[]; tookMs: number }> {
    for (;;) {
      const tookMs = systemClock.monotonic() - this.startedAt;
      const response = await fetch(`${this.url}/readyz`).catch(() => undefined);
      if (response?.status === 200)
        return { ...((await response.json()) as { status: string; reasons: string[] }), tookMs };
      await response?.arrayBuffer();
      if (tookMs > withinMs || this.#process.exitCode !== null)
        throw new Error(`the gateway is not ready after ${Math.round(tookMs)} ms:\n${this.#output}`);
      await systemClock.sleep(5);
    }
  }

  async status(secret: string): Promise<number> {
    const headers = { authorization: `Bearer ${secret}` };
    const response = await fetch(`${this.url}/v1/authenticate`, { headers });
    await response.arrayBuffer();
    return response.status;
  }

  /** The value of a metric without labels, or with the labels as they are printed. */
  async metric(name: string): Promise<number | undefined> {
    const text = withoutRegion(await (await fetch(`${this.url}/metrics`)).text());
    const line = text.split('\n').find((each) => each.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.slice(name.length + 1));
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#process.kill(signal);
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.#exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end('SIGKILL');
  }
}
