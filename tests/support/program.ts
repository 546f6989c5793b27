import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { systemClock } from '../../contexts/base/clock.ts';
import { guarded } from './guarded.ts';
import { findRequirement, type Requirement } from './programs.ts';

export interface RunningProgram extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it has written so far. */
  said(): string;
}

/** However loaded the machine is. */
const listensWithinMs = 30_000;

/**
 * Starts one of the programs that npm does not install. Resolves once it listens on that port; ended with SIGTERM when
 * disposed of.
 */
export async function startProgram(
  program: Requirement,
  args: readonly string[],
  options: { port: number; env?: Record<string, string>; uid?: number | undefined },
): Promise<RunningProgram> {
  const child = guarded(
    spawn(findRequirement(program)!, args, {
      detached: true,
      env: options.env ?? {},
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.uid === undefined ? {} : { uid: options.uid }),
    }),
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  const end = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  };
  const startedAt = systemClock.monotonic();
  while (!(await listens(options.port))) {
    if (child.exitCode !== null || systemClock.monotonic() - startedAt > listensWithinMs) {
      await end();
      throw new Error(`${program} does not listen on port ${options.port}: ${said}`);
    }
    await systemClock.sleep(20);
  }
  return { child, said: () => said, [Symbol.asyncDispose]: end };
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
