import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Watchdog } from '../../infra/local/watchdog.ts';
import { isAlive } from './process.ts';

const relayMain = fileURLToPath(new URL('./unix-relay-main.ts', import.meta.url));
const prefix = 'spokecast-';

/** Why this machine lets nobody make network namespaces; undefined where it does. */
export function networksRefused(): string | undefined {
  const name = `${prefix}${process.pid}-probe`;
  try {
    ip('netns', 'add', name);
    ip('netns', 'delete', name);
    return undefined;
  } catch (error) {
    return `network namespaces cannot be made here (run as root): ${(error as Error).message.split('\n').at(-2)}`;
  }
}

/** What a host sent or received: of TCP the opening of connections, of anything else every packet. */
export interface Packet {
  from: string;
  to: string;
  line: string;
}

/**
 * Hosts with addresses of their own on one switch: network namespaces, connected to each other and to nothing else,
 * this machine's network included. The test gets at them through Unix sockets.
 */
export class Network implements AsyncDisposable {
  readonly #switch = `${prefix}${process.pid}-switch`;
  readonly #hosts: Host[] = [];
  readonly #watchdog = new Watchdog();
  readonly directory = mkdtempSync(join(tmpdir(), 'spokecast-network-'));

  constructor() {
    removeLeftOvers();
    ip('netns', 'add', this.#switch);
    ip('-n', this.#switch, 'link', 'add', 'bridge', 'type', 'bridge');
    ip('-n', this.#switch, 'link', 'set', 'bridge', 'up');
  }

  /** A new host at 10.77.0.1, 10.77.0.2, ... */
  host(name: string): Host {
    const number = this.#hosts.length + 1;
    const namespace = `${prefix}${process.pid}-${name}`;
    const [address, port] = [`10.77.0.${number}`, `port${number}`];
    ip('netns', 'add', namespace);
    ip('-n', this.#switch, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    ip('-n', this.#switch, 'link', 'set', port, 'master', 'bridge', 'up');
    ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0');
    for (const device of ['lo', 'eth0']) ip('-n', namespace, 'link', 'set', device, 'up');
    const host = new Host({
      name,
      namespace,
      address,
      directory: this.directory,
      started: (child) => this.#watchdog.tell({ order: 'guard', pid: child.pid!, signal: 'SIGTERM' }),
      plug: (how) => ip('-n', this.#switch, 'link', 'set', port, how),
    });
    this.#hosts.push(host);
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) await host.endAll();
    for (const name of [...this.#hosts.map(({ namespace }) => namespace), this.#switch])
      ip('netns', 'delete', name);
    await this.#watchdog[Symbol.asyncDispose]();
    await rm(this.directory, { recursive: true, force: true, maxRetries: 10 });
  }
}

interface HostParts {
  name: string;
  namespace: string;
  address: string;
  directory: string;
  started(child: ChildProcess): void;
  plug(how: 'up' | 'down'): void;
}

export class Host {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  /** Before a command, it makes that run on this host. */
  readonly within: readonly string[];
  readonly #parts: HostParts;
  readonly #children = new Set<ChildProcess>();
  readonly #relays = new Map<string, string>();

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.namespace = parts.namespace;
    this.address = parts.address;
    this.within = ['ip', 'netns', 'exec', parts.namespace];
  }

  /** Starts a program and waits until it says something that matches `said`. */
  async start(
    command: string,
    args: readonly string[],
    said: RegExp,
    env: NodeJS.ProcessEnv = {},
  ): Promise<Started> {
    const child = spawn(this.within[0]!, [...this.within.slice(1), command, ...args], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#children.add(child);
    this.#parts.started(child);
    const lines: string[] = [];
    await new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface(stream).on('line', (line) => {
          lines.push(line);
          if (said.test(line)) resolve();
        });
      }
      child.once('exit', (code) => {
        this.#children.delete(child);
        reject(new Error(`${command} ${args.join(' ')} exited with ${code}:\n${lines.join('\n')}`));
      });
    });
    return { lines, end: (signal) => end(child, signal) };
  }

  /** Asks a server from this host, whatever network the test itself is in. */
  async ask(
    address: string,
    port: number,
    asked: { method?: string; path: string; headers?: Record<string, string>; body?: unknown },
  ): Promise<{ status: number; body: string }> {
    const key = `${address}:${port}`;
    let socketPath = this.#relays.get(key);
    if (socketPath === undefined) {
      socketPath = join(this.#parts.directory, `${this.name}-${address}-${port}`);
      await this.start(process.execPath, [relayMain, socketPath, address, String(port)], /listening/);
      this.#relays.set(key, socketPath);
    }
    const { method = 'GET', path, headers = {}, body } = asked;
    const json = body === undefined ? {} : { 'content-type': 'application/json' };
    const outgoing = request({
      socketPath,
      method,
      path,
      headers: { host: key, ...headers, ...json },
      agent: false,
    });
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of incoming) text += chunk;
    return { status: incoming.statusCode!, body: text };
  }

  /** Captures what passes this host's interfaces, its loopback among them. */
  async capture(): Promise<{ packets(): Promise<Packet[]> }> {
    const opening = 'tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn';
    // Without what kernels tell each other about groups.
    const filter = `(${opening}) or (ip and not tcp and not igmp) or (ip6 and not ip6 multicast)`;
    // In immediate mode a packet takes as much of the buffer as it might be long: short ones, and room for thousands.
    const args = ['-i', 'any', '-nn', '-l', '-q', '--immediate-mode', '-s', '128', '-B', '16384', filter];
    const { lines, end: stop } = await this.start('tcpdump', args, /listening on/);
    return {
      packets: async () => {
        await stop('SIGINT');
        if (!lines.some((line) => line.startsWith('0 packets dropped by kernel')))
          throw new Error(`tcpdump missed something:\n${lines.slice(-4).join('\n')}`);
        return lines.flatMap((line) => {
          const [, from, to] = / IP6? (\S+) > (\S+):/.exec(line) ?? [];
          return from && to ? [{ from: hostOf(from), to, line }] : [];
        });
      },
    };
  }

  /** Pulls the cable, or puts it back. */
  plug(how: 'up' | 'down'): void {
    this.#parts.plug(how);
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.#children].map((child) => end(child, 'SIGTERM')));
  }
}

export interface Started {
  /** All it has said. */
  lines: readonly string[];
  end(signal: NodeJS.Signals): Promise<void>;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill(signal);
  await closed;
}

/** `10.77.0.3.40312` without the port. */
function hostOf(endpoint: string): string {
  return endpoint.split('.').slice(0, 4).join('.');
}

/** Namespaces of test processes that were killed. */
function removeLeftOvers(): void {
  for (const [, name, pid] of ip('netns', 'list').matchAll(/^(spokecast-(\d+)-\S+)/gm))
    if (!isAlive(Number(pid))) ip('netns', 'delete', name!);
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
