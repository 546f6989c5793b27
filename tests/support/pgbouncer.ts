import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './process.ts';
import { startProgram } from './program.ts';

export interface PgBouncer extends AsyncDisposable {
  /** That database by way of the pooler. */
  through(databaseUrl: string): string;
}

/**
 * A PgBouncer before a Postgres on loopback that asks for no password: each transaction gets another of `poolSize`
 * connections a database. Only inside `describeWith('pgbouncer', ...)`.
 */
export async function startPgBouncer(
  databaseUrl: string,
  options: { poolSize: number; settings?: Record<string, string> },
): Promise<PgBouncer> {
  const server = new URL(databaseUrl);
  const port = await freePort();
  const settings = {
    ...{ listen_addr: '127.0.0.1', listen_port: String(port), unix_socket_dir: '' },
    ...{ auth_type: 'any', pool_mode: 'transaction', default_pool_size: String(options.poolSize) },
    ...options.settings,
  };
  const lines = [
    '[databases]',
    `* = host=${server.hostname} port=${server.port} user=${server.username}`,
    '[pgbouncer]',
    ...Object.entries(settings).map(([name, setting]) => `${name} = ${setting}`),
  ];
  const directory = await mkdtemp(join(tmpdir(), 'spokecast-pgbouncer-'));
  await chmod(directory, 0o755);
  const file = join(directory, 'pgbouncer.ini');
  await writeFile(file, `${lines.join('\n')}\n`);
  // It refuses to run as root; whom it runs as does not matter, for it owns nothing.
  const nobody = process.getuid?.() === 0 ? 65_534 : undefined;
  const program = await startProgram('pgbouncer', [file], { port, uid: nobody });
  return {
    through(url) {
      const through = new URL(url);
      through.host = `127.0.0.1:${port}`;
      return through.href;
    },
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
