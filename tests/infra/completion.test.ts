import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../contexts/base/clock.ts';
import { everyNode, treeOf } from '../../infra/bin/command-tree.ts';
import { createProgram } from '../../infra/bin/program.ts';
import { systemTerminal } from '../../infra/bin/terminal.ts';
import { runCli } from './support/cli.ts';

const scriptOf = async (shell: string) => (await runCli({}, ['completion', shell])).stdout;

describe('in bash', () => {
  let directory: string;
  let script: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'spokecast-completion-'));
    script = join(directory, 'spokecast.bash');
    await writeFile(script, await scriptOf('bash'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  /** What bash offers where the cursor stands at the end of this line. */
  const offered = async (line: string) => {
    const words = line.split(' ');
    const program = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _spokecast; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await promisify(execFile)('bash', [
      '--norc',
      '-uc',
      program,
      'bash',
      script,
      ...words,
    ]);
    return stdout.split('\n').filter(Boolean);
  };

  test('commands, subcommands, flags and choices are offered, each in its place', async () => {
    expect(await offered('spokecast cl')).toEqual(['clusters']);
    expect(await offered('spokecast clusters ')).toEqual([
      'create',
      'list',
      'get',
      'update',
      'delete',
      'undelete',
    ]);
    expect(await offered('spokecast clusters update vci_x --sta')).toEqual(['--status']);
    expect(await offered('spokecast clusters update vci_x --status ')).toEqual(['active', 'disabled']);
    expect(await offered('spokecast clusters update --status active vci_x --na')).toEqual(['--name']);
    expect(await offered('spokecast region r')).toEqual(['reseed', 'remove']); // by the older name too
    expect(await offered('spokecast hub ')).toEqual(['promote-epoch', 'set-up-link', 'sign-out']);
    expect(await offered('spokecast --')).toEqual(['--version', '--help']);
  });

  test('what a flag takes is no command; where a path is wanted nothing stands in the way of files', async () => {
    expect(await offered('spokecast tenants list --name clusters --lim')).toEqual(['--limit']);
    expect(await offered('spokecast tenants create --from ')).toEqual([]);
    expect(await offered('spokecast nonsense ')).not.toContain('create');
  });
});

describe.each(['bash', 'zsh', 'fish'])('the script for %s', (shell) => {
  test('has every command and every flag', async () => {
    const cli = { environment: {}, terminal: systemTerminal, clock: systemClock, exit: () => {} };
    const script = await scriptOf(shell);
    for (const { words, flags } of everyNode(treeOf(await createProgram(cli, 'all')))) {
      if (words.length > 0) expect(script).toContain(words.at(-1));
      for (const { long } of flags) expect(script, words.join(' ')).toContain(long.replace('--', ''));
    }
  });
});
