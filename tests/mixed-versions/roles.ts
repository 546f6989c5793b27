import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { systemClock } from '../../contexts/base/clock.ts';
import { until } from '../replication/support/hub-and-spokes.ts';
import { guarded } from '../support/guarded.ts';

/** One role of one build, as a process of its own on a free port. */
export async function startRole(bin: string, role: string, environment: Record<string, string>) {
  const child = guarded(
    spawn(process.execPath, [bin, role], {
      detached: true,
      env: {
        PATH: process.env.PATH,
        SPOKECAST_HOST: '127.0.0.1',
        SPOKECAST_PORT: '0',
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
  const startedAt = systemClock.monotonic();
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
  let code: number | null | undefined;
  const exited = once(child, 'exit').then(([status]) => {
    code = status as number | null;
    return code;
  });
  const exit = async (withinMs = 60_000) => {
    await until(
      async () => code !== undefined,
      () => `${role} ends; it said:\n${said}`,
      withinMs,
    );
    return exited;
  };
  return {
    exit,
    /** Everything it wrote, on both streams. */
    said: () => said,
    saysReady: () =>
      until(
        async () => said.includes(`${role} ready`),
        () => `${role} is ready; it said:\n${said}`,
        60_000,
      ),
    running: () => code === undefined,
    upMs: () => systemClock.monotonic() - startedAt,
    /** Asks it to end, and resolves with its exit code. */
    async end() {
      if (code === undefined) child.kill('SIGTERM');
      return exit();
    },
  };
}
