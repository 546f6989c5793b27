import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { ConfigurationError } from '../../../contexts/base/options.ts';
import type { Terminal } from '../terminal.ts';
import type { Source } from './document.ts';

/**
 * What `-f` names: a file, `-` for standard input, or a directory with every `.yaml`, `.yml` and `.json` file in it
 * and below, in the order of their paths. Names that begin with a dot are left out.
 * @throws ConfigurationError naming everything that cannot be read.
 */
export async function readSources(paths: readonly string[], terminal: Terminal): Promise<Source[]> {
  const sources: Source[] = [];
  const problems: string[] = [];
  for (const path of new Set(paths)) {
    try {
      if (path === '-') sources.push({ name: 'stdin', text: await terminal.readInput() });
      else for (const file of filesOf(path)) sources.push({ name: file, text: readFileSync(file, 'utf8') });
    } catch (error) {
      problems.push(`-f ${path}: ${(error as Error).message}`);
    }
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
  return sources;
}

function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const files = readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ya?ml|json)$/.test(file) && !file.split(sep).some((part) => part.startsWith('.')))
    .sort()
    .map((file) => join(path, file));
  if (files.length === 0) throw new Error('there is no .yaml, .yml or .json file in it');
  return files;
}
