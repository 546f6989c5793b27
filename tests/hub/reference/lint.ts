import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hubApiDocument } from '../../../hub/reference/api.ts';

/**
 * Holds an OpenAPI document, by default the hub's, against the rules in infra/docs/redocly.yaml, without the network:
 * `npm run check` does so.
 * Resolves with whether it kept them all, and what the linter said.
 */
export async function lintDocument(
  document: object = hubApiDocument(),
): Promise<{ outcome: 'clean' | 'faulty'; said: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'spokecast-lint-'));
  try {
    const file = join(directory, 'openapi.json');
    await writeFile(file, JSON.stringify(document, null, 1));
    const redocly = fileURLToPath(new URL('../../../node_modules/@redocly/cli/bin/cli.js', import.meta.url));
    const rules = fileURLToPath(new URL('../../../infra/docs/redocly.yaml', import.meta.url));
    const linter = spawn(
      process.execPath,
      [redocly, 'lint', '--config', rules, '--format', 'stylish', file],
      {
        env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let said = '';
    for (const stream of [linter.stdout, linter.stderr]) stream.on('data', (chunk) => (said += chunk));
    const code = await new Promise<number | null>((resolve, reject) => {
      linter.once('error', reject);
      linter.once('close', resolve);
    });
    return { outcome: code === 0 ? 'clean' : 'faulty', said };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { outcome, said } = await lintDocument();
  console.log(said.trim());
  if (outcome === 'faulty') process.exitCode = 1;
}
