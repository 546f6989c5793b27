import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'undici';
import type { Clock } from '../../contexts/base/clock.ts';
import type { Environment } from '../../contexts/base/options.ts';
import type { Shadow } from './rehearsal.ts';
import { answersSchema, type Question, shadowPath } from './shadow.ts';

export interface ShadowOptions {
  environment: Environment;
  /** Where the snapshot is. */
  slot: string;
  clock: Clock;
  readyWithinMs: number;
  signal: AbortSignal;
}

/** Ways to start a program where there is no network, the plainest first; each asks less of the system. */
const isolations = [
  ['unshare', '--net'],
  ['unshare', '--map-root-user', '--net'],
] as const;

/** Nobody listens there. */
const noStore = 'http://127.0.0.1:9';
/** Beyond this the rest of what the shadow prints is left out. */
const outputMax = 4_000;

/**
 * Starts this very program once more, as a shadow: `spokecast gateway`, in an empty network namespace where the system
 * allows it, with no store in any case. It is reached through a socket in a directory of its own, and ends with its
 * standard input: when this process dies, whatever the reason.
 * @throws Error saying what it printed, where it does not become ready.
 */
export async function startShadow(options: ShadowOptions): Promise<Shadow> {
  const { clock, readyWithinMs } = options;
  const prefix = await isolationOf(clock);
  const directory = await mkdtemp(join(tmpdir(), 'spokecast-shadow-'));
  const socketPath = join(directory, 'socket');
  const child = run([...(prefix ?? []), ...thisProgram(), 'gateway'], {
    ...options.environment,
    SPOKECAST_STORE_ENDPOINT: noStore,
    SPOKECAST_SHADOW_SOCKET: socketPath,
    SPOKECAST_SHADOW_SLOT: options.slot,
    SPOKECAST_REHEARSAL_EVERY_MS: '0',
    SPOKECAST_WORKERS: '1',
    SPOKECAST_WORKER: '',
    SPOKECAST_WARM: 'on-demand',
    SPOKECAST_LOG_LEVEL: 'warn',
  });
  const client = new Client('http://shadow', { socketPath });
  const startedAt = clock.monotonic();
  const dispose = async () => {
    await client.destroy();
    await end(child);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    while (!(await isReady(client, child))) {
      const late = options.signal.aborted || clock.monotonic() - startedAt > readyWithinMs;
      if (late || child.process.exitCode !== null)
        throw new Error(`the shadow is not ready after ${readyWithinMs} ms: ${child.output()}`);
      await clock.sleep(20);
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    isolation: prefix ? 'no-network' : 'no-store',
    readyMs: clock.monotonic() - startedAt,
    answers: (questions) => ask(client, questions),
    [Symbol.asyncDispose]: dispose,
  };
}

/** Node, its flags and the script that this process was started with. */
function thisProgram(): string[] {
  return [process.execPath, ...process.execArgv, process.argv[1]!];
}

interface Child {
  process: ChildProcess;
  output(): string;
}

function run(command: readonly string[], env: Environment): Child {
  const [program, ...args] = command;
  const child = spawn(program!, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < outputMax) output += text;
    });
  child.on('error', (error) => {
    output += error.message;
  });
  return { process: child, output: () => output };
}

async function end({ process: child }: Child): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL'); // it has nothing to lose
  await exited;
}

async function isolationOf(clock: Clock): Promise<readonly string[] | undefined> {
  for (const prefix of isolations) {
    const { process: probe } = run([...prefix, 'true'], {});
    const exited = once(probe, 'exit').then(
      ([code]) => code === 0,
      () => false,
    );
    if (await Promise.race([exited, clock.sleep(2_000).then(() => false)])) return prefix;
  }
  return undefined;
}

/** It listens only after it has booted: whoever is not ready then will not be. */
async function isReady(client: Client, child: Child): Promise<boolean> {
  const answer = await client.request({ method: 'GET', path: '/readyz' }).catch(() => undefined);
  if (answer === undefined) return false;
  const text = await answer.body.text();
  if (answer.statusCode !== 200) throw new Error(`the shadow is not ready: ${text} ${child.output()}`);
  return true;
}

async function ask(client: Client, questions: readonly Question[]): Promise<string[]> {
  const { statusCode, body } = await client.request({
    ...{ method: 'POST', path: shadowPath, body: JSON.stringify(questions) },
    headers: { 'content-type': 'application/json' },
  });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`the shadow answers ${statusCode}: ${text.slice(0, 200)}`);
  const answers = answersSchema.parse(JSON.parse(text));
  if (answers.length !== questions.length)
    throw new Error('the shadow answers something else than was asked');
  return answers;
}
