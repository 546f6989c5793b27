import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { systemClock } from '../../contexts/base/clock.ts';
import { layoutOf, portsOf } from '../../infra/local/layout.ts';
import { checkPorts } from '../../infra/local/ports.ts';
import { Watchdog } from '../../infra/local/watchdog.ts';
import type { WheelFile, WheelRegion } from '../../infra/local/wheel-file.ts';
import { freePort, isAlive } from './process.ts';

export interface WheelSetup {
  /** Free ports are looked for if absent. */
  portBase?: number;
  /** A role that dies stays dead. */
  noRestart?: boolean;
  /** Added to the environment of `npm start`; `SPOKECAST_` options reach the roles. */
  env?: Record<string, string>;
  /** Kept when the wheel ends, so that another can start from it. A new temporary one, removed, if absent. */
  directory?: string;
  /** The command that the wheel is run by, for a host of its own: `ip netns exec <name>`. */
  within?: readonly string[];
  /** More flags of `npm start --`. */
  flags?: readonly string[];
}

export interface Reply {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

const main = fileURLToPath(new URL('../../infra/local/main.ts', import.meta.url));
const bin = fileURLToPath(new URL('../../infra/bin/spokecast.js', import.meta.url));
/** Shared by all wheels of all runs: their roles start in half the time. */
const compileCache = fileURLToPath(new URL('../../node_modules/.cache/spokecast-compile', import.meta.url));
const readyWithinMs = 120_000;

/**
 * Starts the real wheel, as `npm start` does, and resolves once it is whole. Disposing ends it as Ctrl-C would;
 * if the test's own process dies first, a watchdog does.
 */
export async function startWheel(setup: WheelSetup = {}): Promise<TestWheel> {
  const directory = setup.directory ?? (await mkdtemp(join(tmpdir(), 'spokecast-wheel-')));
  const portBase = setup.portBase ?? (await freePortBase());
  const wheel = new TestWheel(directory, portBase, setup);
  try {
    await wheel.untilWhole();
    return wheel;
  } catch (error) {
    await wheel[Symbol.asyncDispose]();
    throw error;
  }
}

/** A running wheel. `wheel.json` is read again whenever it is asked for: a restarted role has a new process id. */
export class TestWheel implements AsyncDisposable {
  readonly directory: string;
  readonly portBase: number;
  /** As it was when the wheel was whole. */
  file!: WheelFile;
  readonly #temporary: boolean;
  readonly #process: ChildProcess;
  readonly #exited: Promise<number | null>;
  readonly #watchdog = new Watchdog();
  readonly #extra: ChildProcess[] = [];
  #output = '';
  #sql: postgres.Sql | undefined;

  constructor(directory: string, portBase: number, setup: WheelSetup) {
    this.directory = directory;
    this.portBase = portBase;
    this.#temporary = setup.directory === undefined;
    if (this.#temporary) this.#watchdog.tell({ order: 'remove-afterwards', path: directory });
    const flags = ['--dir', directory, '--port-base', String(portBase), ...(setup.flags ?? [])];
    if (setup.noRestart) flags.push('--no-restart');
    this.#process = this.#spawn(
      [main, ...flags],
      { ...outerEnvironment(), ...setup.env },
      'pipe',
      setup.within,
    );
    for (const stream of [this.#process.stdout!, this.#process.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
    this.#exited = new Promise((resolve) => this.#process.once('exit', resolve));
  }

  /** What it has printed so far. */
  get output(): string {
    return this.#output;
  }

  /** The process of `npm start`. */
  get pid(): number {
    return this.#process.pid!;
  }

  /** The hub's database. Ended with the wheel. */
  get sql(): postgres.Sql {
    this.#sql ??= postgres(this.file.postgres.url, { max: 4, onnotice: () => {} });
    return this.#sql;
  }

  /** Asks the hub's API as the owner, or with another application key; `null` sends none. */
  api(
    method: string,
    path: string,
    body?: unknown,
    key: string | null = this.file.hub.applicationKey,
  ): Promise<Reply> {
    return request(method, `${this.file.hub.url}${path}`, key, body);
  }

  /** Asks the gateway of a region who holds that agent key; `null` sends none. */
  authenticate(region: string, key: string | null): Promise<Reply> {
    return request('GET', `${this.region(region).gateway.url}/v1/authenticate`, key);
  }

  region(id: string): WheelRegion {
    const found = this.file.regions.find((region) => region.id === id);
    if (!found) throw new Error(`no region ${id} in this wheel`);
    return found;
  }

  /** The process id a role has now: `hub`, `publisher`, `postgres`, `gateway-<region>`, `store-...`, `upstream-...`. */
  async pidOf(role: string): Promise<number> {
    this.file = JSON.parse(await readFile(join(this.directory, 'wheel.json'), 'utf8'));
    if (role === 'hub' || role === 'publisher' || role === 'postgres') return this.file[role].pid;
    const [, part, region] = /^(gateway|store|upstream)-(.+)$/.exec(role) ?? [];
    if (!part || !region) throw new Error(`no role ${role} in a wheel`);
    return this.region(region)[part as 'gateway' | 'store' | 'upstream'].pid;
  }

  /** Signals a role; after `SIGKILL`, resolves once it is seen dead. */
  async kill(role: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const pid = await this.pidOf(role);
    process.kill(pid, signal);
    while (signal === 'SIGKILL' && isAlive(pid)) await systemClock.sleep(10);
  }

  /** Starts one more gateway of a region from what wheel.json says it needs; resolves once it is ready. */
  async startGateway(regionId: string): Promise<{ url: string; pid: number; log: () => string }> {
    const port = await freePort();
    const env = {
      PATH: process.env.PATH,
      ...this.region(regionId).gateway.env,
      SPOKECAST_PORT: String(port),
    };
    const child = this.#spawn([bin, 'gateway'], env, 'pipe');
    this.#extra.push(child);
    let log = '';
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (text) => (log += text));
    const url = `http://127.0.0.1:${port}`;
    const isReady = async () =>
      (await request('GET', `${url}/readyz`, null).catch(() => undefined))?.status === 200;
    await until(isReady, 60_000, () => {
      if (child.exitCode !== null) throw new Error(`the gateway exited with ${child.exitCode}:\n${log}`);
      return `the gateway is not ready:\n${log}`;
    });
    return { url, pid: child.pid!, log: () => log };
  }

  async untilWhole(): Promise<void> {
    const path = join(this.directory, 'wheel.json');
    const started = async () => {
      const text = await readFile(path, 'utf8').catch(() => undefined);
      if (text === undefined || !this.#output.includes('The wheel turns')) return false;
      this.file = JSON.parse(text);
      return true;
    };
    await until(started, readyWithinMs, () => {
      if (this.#process.exitCode !== null) throw new Error(`npm start exited:\n${this.#output}`);
      return `the wheel is not whole:\n${this.#output}`;
    });
  }

  /** Asks it to end, as Ctrl-C would, and waits until it has. Resolves with the exit code. */
  async stop(): Promise<number | null> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill('SIGINT');
    return this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#extra) child.kill('SIGKILL');
    await this.#sql?.end({ timeout: 1 }).catch(() => {});
    await this.stop();
    await this.#watchdog[Symbol.asyncDispose]();
    if (this.#temporary) await rm(this.directory, { recursive: true, force: true, maxRetries: 10 });
  }

  #spawn(
    args: string[],
    env: NodeJS.ProcessEnv,
    output: 'pipe',
    within: readonly string[] = [],
  ): ChildProcess {
    const [command, ...rest] = [...within, process.execPath, ...args];
    const child = spawn(command!, rest, { env, stdio: ['ignore', output, output], detached: true });
    this.#watchdog.tell({ order: 'guard', pid: child.pid!, signal: 'SIGTERM' });
    child.once('exit', () => this.#watchdog.tell({ order: 'forget', pid: child.pid! }));
    return child;
  }
}

/** As many suites as vitest may run at one time. */
const lanes = 4;

/** A port base all of whose ports are free just now. Suites that look at one time never find the same. */
export async function freePortBase(): Promise<number> {
  const lane = Number(process.env.VITEST_POOL_ID ?? 0) % lanes;
  for (let attempt = 0; attempt < 50; attempt++) {
    const portBase = 10_000 + 400 * (lanes * Math.floor(Math.random() * 12) + lane);
    const layout = layoutOf({ directory: '.', portBase, databasePassword: '', environment: {} });
    const free = await checkPorts(layout, portBase).then(
      () => true,
      () => false,
    );
    if (free && portsOf(layout).length > 0) return portBase;
  }
  throw new Error('no free ports for a wheel');
}

/** What npm start would be given, without what vitest adds for itself. */
function outerEnvironment(): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'LANG', 'TMPDIR'];
  return {
    ...Object.fromEntries(names.map((name) => [name, process.env[name]])),
    NODE_COMPILE_CACHE: compileCache,
  };
}

async function request(method: string, url: string, bearer: string | null, body?: unknown): Promise<Reply> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  }).catch((cause) => {
    throw new Error(`${method} ${url}: ${cause}`, { cause });
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') && text !== '';
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

async function until(
  condition: () => Promise<boolean>,
  withinMs: number,
  describe: () => string,
): Promise<void> {
  const startedAtMs = systemClock.monotonic();
  while (!(await condition())) {
    const description = describe();
    if (systemClock.monotonic() - startedAtMs > withinMs)
      throw new Error(`after ${withinMs / 1000} s, ${description}`);
    await systemClock.sleep(50);
  }
}
